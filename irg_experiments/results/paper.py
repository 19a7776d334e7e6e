"""The paper's figures (Figurnov, Mohamed & Mnih 2018), to be printed beside what is measured."""

from typing import NamedTuple


class Figure(NamedTuple):
    """A mean and its spread over runs, as printed."""

    mean: float
    spread: float

    def __str__(self) -> str:
        return f"{self.mean:g} ± {self.spread:g}"


# test perplexity with 50 topics: (model, method label) -> {data set: figure}
PERPLEXITY: dict[tuple[str, str], dict[str, Figure]] = {
    ("lda", "implicit"): {"newsgroups": Figure(876, 7), "rcv1": Figure(896, 6)},
    ("lda", "rsvi B=1"): {"newsgroups": Figure(1066, 7), "rcv1": Figure(1505, 33)},
    ("lda", "rsvi B=5"): {"newsgroups": Figure(968, 18), "rcv1": Figure(1075, 15)},
    ("lda", "rsvi B=10"): {"newsgroups": Figure(887, 10), "rcv1": Figure(953, 16)},
    ("lda", "rsvi B=20"): {"newsgroups": Figure(865, 11), "rcv1": Figure(907, 13)},
    ("lda", "svi"): {"newsgroups": Figure(964, 4), "rcv1": Figure(1330, 4)},
    ("ln_lda", "explicit"): {"newsgroups": Figure(875, 6), "rcv1": Figure(951, 10)},
}

# relative error and time of dz/dφ, as printed: (distribution, method) -> multiples of automatic differentiation's
SAMPLE_DERIVATIVE: dict[tuple[str, str], tuple[float, float]] = {
    ("Gamma", "automatic differentiation"): (1, 1),
    ("Gamma", "finite difference"): (832, 2),
    ("Gamma", "torch (J & O 2018)"): (18, 5),
    ("Gamma", "Knowles 2015"): (2840, 63),
    ("von Mises", "automatic differentiation"): (1, 1),
    ("von Mises", "finite difference"): (514, 1.2),
}
