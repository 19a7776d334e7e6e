"""What the models share: the estimate they are given, the bound they return, how their weights start."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn
from torch.distributions import Distribution

# expectation(f, q, num_samples) estimates E_q[f(z)] and carries the gradient
Expectation = Callable[[Callable[[Tensor], Tensor], Distribution, int], Tensor]


class ElboTerms(NamedTuple):
    """The evidence lower bound of each observation, log_likelihood − kl, in nats: two tensors of shape (B,)."""

    log_likelihood: Tensor
    kl: Tensor


def glorot_linear(fan_in: int, fan_out: int) -> nn.Linear:
    """A linear layer with Glorot-normal weights and biases of zero."""
    layer = nn.Linear(fan_in, fan_out)
    nn.init.xavier_normal_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
