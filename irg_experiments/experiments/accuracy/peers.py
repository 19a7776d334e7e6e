"""Sample derivatives of other libraries, if they are installed (``pip install -e '.[peers]'``)."""

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from irg_experiments.implicit.private_torch import lookup

Derivative = Callable[..., Tensor]


def _tensorflow() -> Derivative:
    # torch's compiler brings an LLVM of its own, which aborts the process unless it is loaded before TensorFlow's
    lookup("torch._dynamo.config")
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


# by the name of the module
_PEERS: dict[str, tuple[str, Callable[[], Derivative]]] = {
    "tensorflow": ("TensorFlow (the paper's code)", _tensorflow),
    "jax": ("JAX", _jax),
}


def gamma_peers() -> dict[str, Derivative]:
    """dz/da of Gamma samples by each installed library, as functions of tensors; conversion of arrays is included."""
    return {label: make() for name, (label, make) in _PEERS.items() if importlib.util.find_spec(name)}


def peer_versions() -> dict[str, str]:
    """The versions of the installed libraries, by name."""
    return {name: importlib.import_module(name).__version__ for name in _PEERS if importlib.util.find_spec(name)}
