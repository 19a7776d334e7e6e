"""What the models share: the estimate of an expectation, the bound they return, the initialization of their layers."""

import math
from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, Strict
from torch import Tensor, nn
from torch.distributions import Distribution

from irg_experiments.config.types import Must

# expectation(f, q, num_samples) estimates E_q[f(z)] and carries the gradient
Expectation = Callable[[Callable[[Tensor], Tensor], Distribution, int], Tensor]

# how weights start, see ``linear``
Weights = Annotated[Literal["glorot_normal", "fan_in"], Must("glorot_normal or fan_in")]

# a positive parameter of a prior; within this range float32 represents the moments of every prior here
PriorParameter = Annotated[float, Strict(), Field(ge=1e-6, le=1e6, allow_inf_nan=False), Must("a number from 1.0e-6 to 1.0e6")]

# limits of the positive parameters of priors and posteriors where no others are given
LIMITS = (1e-3, 1e3)


class ElboTerms(NamedTuple):
    """The evidence lower bound of each observation, log_likelihood − kl, in nats: two tensors of shape (B,)."""

    log_likelihood: Tensor
    kl: Tensor


def sample_mean(f: Callable[[Tensor], Tensor], q: Distribution, num_samples: int) -> Tensor:
    """The mean of f over samples of q; no gradient reaches q. This is the ``Expectation`` for evaluation."""
    return f(q.sample((num_samples,))).mean(0)


def linear(fan_in: int, fan_out: int, weights: Weights = "glorot_normal") -> nn.Linear:
    """A linear layer with zero biases.

    Args:
        fan_in, fan_out: numbers of inputs and outputs.
        weights: "glorot_normal": of variance 2 / (fan_in + fan_out) (Glorot & Bengio 2010). "fan_in": normal, of variance
            1 / fan_in before they are truncated at two standard deviations, the default of Sonnet 1.
    """
    layer = nn.Linear(fan_in, fan_out)
    if weights == "glorot_normal":
        nn.init.xavier_normal_(layer.weight)
    else:
        deviation = 1 / math.sqrt(fan_in)
        nn.init.trunc_normal_(layer.weight, std=deviation, a=-2 * deviation, b=2 * deviation)
    nn.init.zeros_(layer.bias)
    return layer


def check_topics(topics: int, num_words: int, least: int = 1) -> None:
    """Raises ValueError unless the number of topics is at least ``least`` and at most the number of words."""
    if not least <= topics <= num_words:
        raise ValueError(f"topics must be from {least} to {num_words}, the number of words in the vocabulary, not {topics}.")
