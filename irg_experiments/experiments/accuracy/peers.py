"""Sample derivatives of other libraries, if they are installed (``pip install -e '.[peers]'``).

Each library computes with as many threads as torch does, unless it was used before in the same process.
"""

import contextlib
import importlib.util
import logging
import os
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from irg_experiments.implicit.private_torch import lookup

log = logging.getLogger(__name__)

Derivative = Callable[..., Tensor]


@dataclass(frozen=True)
class Peer:
    """A library that is installed.

    Attributes:
        label: its name in tables.
        versions: by module.
        derivatives: dz/d(first parameter) by distribution, as functions of tensors of the parameters and z, which convert
            arrays to those of the library and back.
    """

    label: str
    versions: Mapping[str, str]
    derivatives: Mapping[str, Derivative]


def installed_peers() -> list[Peer]:
    """The libraries that are installed and can be imported; one line of log for each of the others."""
    found = []
    for label, (modules, make) in PEERS.items():
        missing = [name for name in modules if importlib.util.find_spec(name) is None]
        if missing:
            log.info("Without %s: pip install -e '.[peers]' installs %s.", label, ", ".join(missing))
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of their own deprecated code
                derivatives = make()
        except Exception as error:  # versions that do not go together raise all kinds of errors
            reason = " ".join(str(error).split())[:_LONGEST]
            log.warning("Without %s, which cannot be imported (%s: %s).", label, type(error).__name__, reason)
            continue
        found.append(Peer(label, {name: sys.modules[name].__version__ for name in modules}, derivatives))
    return found


def _tensorflow_probability() -> dict[str, Derivative]:
    """The Gamma by the function that its sampler calls, the others by the implicit rule on its distribution functions."""
    # torch's compiler brings an LLVM of its own, which aborts the process unless it is loaded before TensorFlow's
    lookup("torch._dynamo.config")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    with contextlib.suppress(RuntimeError):  # neither devices nor threads can change once it has computed something
        tf.config.set_visible_devices([], "GPU")
        tf.config.threading.set_intra_op_parallelism_threads(torch.get_num_threads())
        tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.get_logger().setLevel(logging.ERROR)  # it warns of every new shape
    import tensorflow_probability as tfp

    tfd = tfp.distributions

    def by_cdf(distribution: Callable[..., Any]) -> Derivative:
        def slope(parameter: Any, *others_and_z: Any) -> Any:
            *others, z = others_and_z
            with tf.GradientTape() as tape:
                tape.watch(parameter)
                family = distribution(parameter, *others)
                cdf = family.cdf(z)
            return -tape.gradient(cdf, parameter) / family.prob(z)

        return _converting(tf.function(slope, autograph=False, reduce_retracing=True), tf.constant)

    return {
        "Gamma": _converting(lambda a, z: tf.raw_ops.RandomGammaGrad(alpha=a, sample=z), tf.constant),
        "Beta": by_cdf(tfd.Beta),
        "Student-t": by_cdf(lambda df: tfd.StudentT(df, tf.zeros_like(df), tf.ones_like(df))),
        "von Mises": by_cdf(lambda kappa: tfd.VonMises(tf.zeros_like(kappa), kappa)),
    }


def _jax() -> dict[str, Derivative]:
    """The Gamma alone: JAX does not differentiate ``betainc`` by its parameters, and has no von Mises function."""
    os.environ.setdefault("NPROC", str(torch.get_num_threads()))  # the only way to tell the number of threads to its CPU client
    import jax

    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_enable_x64", True)
    return {"Gamma": _converting(jax.jit(jax.lax.random_gamma_grad), lambda array: array)}


def _converting(function: Callable[..., Any], convert: Callable[[Any], Any]) -> Derivative:
    """A function of the library's arrays as one of tensors."""
    import numpy as np

    return lambda *arguments: torch.from_numpy(np.array(function(*(convert(argument.numpy()) for argument in arguments))))


# by label: the modules that are needed, the one in use first, and what makes the derivatives
PEERS: dict[str, tuple[tuple[str, ...], Callable[[], dict[str, Derivative]]]] = {
    "TensorFlow Probability": (("tensorflow_probability", "tensorflow", "tf_keras"), _tensorflow_probability),
    "JAX": (("jax",), _jax),
}
_LONGEST = 200  # characters of an error message in the log
