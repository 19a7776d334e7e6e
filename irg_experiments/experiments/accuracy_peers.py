"""The sample derivatives of other libraries, where they are installed (``pip install -e '.[peers]'``)."""

import importlib.util
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Derivative = Callable[..., Tensor]


def gamma_peers() -> dict[str, Derivative]:
    """dz/da of Gamma samples by each installed library: functions of tensors, with the conversion of the arrays in them."""
    peers: dict[str, Derivative] = {}
    if importlib.util.find_spec("tensorflow"):
        peers["TensorFlow (the paper's code)"] = _tensorflow()
    if importlib.util.find_spec("jax"):
        peers["JAX"] = _jax()
    return peers


def _tensorflow() -> Derivative:
    import tensorflow

    def derivative(a: Tensor, z: Tensor) -> Tensor:
        return _tensor(tensorflow.raw_ops.RandomGammaGrad(alpha=a.numpy(), sample=z.numpy()))

    return derivative


def _jax() -> Derivative:
    import jax

    jax.config.update("jax_enable_x64", True)
    compiled = jax.jit(jax.lax.random_gamma_grad)

    def derivative(a: Tensor, z: Tensor) -> Tensor:
        return _tensor(compiled(a.numpy(), z.numpy()))

    return derivative


def _tensor(array: Any) -> Tensor:
    import numpy as np

    return torch.from_numpy(np.array(array))
