"""The paper's figures (Figurnov, Mohamed & Mnih 2018), to be printed beside what is measured."""

from typing import NamedTuple


class Figure(NamedTuple):
    """A mean and its spread over runs, as printed; None where no spread is known."""

    mean: float
    spread: float | None

    def __str__(self) -> str:
        return f"{self.mean}" if self.spread is None else f"{self.mean} ± {self.spread}"


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


def _by_dimension(*pairs: tuple[float, float | None]) -> dict[int, Figure]:
    return {dim: Figure(*pair) for dim, pair in zip((2, 5, 10, 20, 40), pairs, strict=True)}


# test NLL on MNIST of Figurnov et al. (2018): latent -> {D: figure}. From memory, and not checked against the paper
PAPER_NLL: dict[str, dict[int, Figure]] = {
    "normal": _by_dimension((131.1, 0.6), (107.9, 0.4), (92.5, 0.2), (88.1, 0.2), (88.1, 0.0)),
    "gamma": _by_dimension((132.4, 0.3), (108.0, 0.3), (94.0, 0.3), (90.3, 0.2), (90.6, 0.2)),
    "gamma_10": _by_dimension((135.0, 0.2), (107.0, 0.2), (92.3, 0.2), (88.3, 0.2), (88.3, 0.1)),
    "beta": _by_dimension((128.3, 0.2), (107.4, 0.2), (94.1, 0.1), (88.9, 0.1), (88.6, 0.1)),
    "beta_10": _by_dimension((131.1, 0.4), (106.7, 0.1), (92.1, 0.2), (87.8, 0.1), (87.7, 0.1)),
    "von_mises": _by_dimension((127.6, 0.4), (107.5, 0.4), (94.4, 0.5), (90.9, 0.1), (91.5, 0.4)),
    "von_mises_10": _by_dimension((130.7, 0.8), (107.5, 0.5), (92.3, 0.2), (87.8, 0.2), (87.9, 0.3)),
    "von_mises_fisher": _by_dimension((132.5, 0.7), (108.4, 0.1), (93.2, None), (89.0, 0.3), (90.9, 0.3)),
}
