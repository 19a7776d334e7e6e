"""What the models share: the estimate of an expectation, the bound they return, the initialization of their layers."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn
from torch.distributions import Distribution

# expectation(f, q, num_samples) estimates E_q[f(z)] and carries the gradient
Expectation = Callable[[Callable[[Tensor], Tensor], Distribution, int], Tensor]

# default limits of the positive parameters of priors and posteriors
LIMITS = (1e-3, 1e3)


class ElboTerms(NamedTuple):
    """The evidence lower bound of each observation, log_likelihood − kl, in nats: two tensors of shape (B,)."""

    log_likelihood: Tensor
    kl: Tensor


def sample_mean(f: Callable[[Tensor], Tensor], q: Distribution, num_samples: int) -> Tensor:
    """The mean of f over samples of q; no gradient reaches q. This is the ``Expectation`` for evaluation."""
    return f(q.sample((num_samples,))).mean(0)


def glorot_linear(fan_in: int, fan_out: int) -> nn.Linear:
    """A linear layer with Glorot-normal weights and zero biases."""
    layer = nn.Linear(fan_in, fan_out)
    nn.init.xavier_normal_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def check_topics(topics: int, num_words: int, least: int = 1) -> None:
    """Raises ValueError unless the number of topics is at least ``least`` and at most the number of words."""
    if not least <= topics <= num_words:
        raise ValueError(f"topics must be from {least} to {num_words}, the number of words in the vocabulary, not {topics}.")
