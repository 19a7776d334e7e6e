"""The private names of torch that this package uses, and the versions of torch that they were tried on.

torch may rename or remove a private name in any release. Every such name is looked up here, at its first use, so that a missing
one raises an error that names it instead of failing somewhere else. Modules import the names on the left of ``NAMES``, for
example ``from irg_experiments.implicit.private_torch import standard_gamma``.

To allow a new version of torch: run the tests with it, append it to ``TRIED`` and raise the upper bound in ``pyproject.toml``.
"""

import pkgutil
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch.autograd import forward_ad

# versions of torch with which the whole test suite passed, the newest last
TRIED = ("2.15.0",)

NAMES = {
    # _autograd.py: which transformations are active
    "functorch_is_active": "torch._C._are_functorch_transforms_active",
    "functorch_interpreters": "torch._C._functorch.get_interpreter_stack",
    "functorch_vmap": "torch._C._functorch.TransformType.Vmap",
    # _autograd.py: torch.jit.is_tracing without the time of its other checks
    "jit_is_tracing": "torch._C._is_tracing",
    # _autograd.py: which tensors have no values
    "FakeTensor": "torch._subclasses.fake_tensor.FakeTensor",
    "functorch_grad": "torch._C._functorch.TransformType.Grad",
    "functorch_jvp": "torch._C._functorch.TransformType.Jvp",
    "set_forward_mode": "torch.autograd.forward_ad._set_fwd_grad_enabled",
    # sampling/gamma.py: torch's sampler with a generator
    "standard_gamma": "torch._standard_gamma",
    # distributions/dirichlet.py: θ (g − Σ θ g) in one pass
    "softmax_backward": "torch._softmax_backward_data",
    # the accuracy experiment: torch's own derivatives, measured beside this package's
    "standard_gamma_grad": "torch._standard_gamma_grad",
    "dirichlet_grad": "torch._dirichlet_grad",
    # _kernel_cache.py: ahead-of-time compilation to a shared library, and its loader
    "aot_compile": "torch._inductor.aot_compile",
    "AOTIModelContainerRunnerCpu": "torch._C._aoti.AOTIModelContainerRunnerCpu",
    # training: options of torch.compile
    "dynamo_config": "torch._dynamo.config",
    "dynamo_mark_dynamic": "torch._dynamo.mark_dynamic",
    # training/optimizer.py
    "fused_adam": "torch._fused_adam_",
    "foreach_add": "torch._foreach_add_",
}

_F = TypeVar("_F", bound=Callable[..., Any])


def __getattr__(name: str) -> Any:
    """Looks a name up at its first use, as some are in modules that take seconds to import."""
    if name not in NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = lookup(NAMES[name])
    return value


def lookup(path: str) -> Any:
    """The object at a dotted path, whose modules are imported if necessary.

    Raises:
        ImportError: this version of torch has no such object; says which versions have.
    """
    try:
        return pkgutil.resolve_name(path)
    except (ImportError, AttributeError) as error:
        raise ImportError(
            f"torch {torch.__version__} has no {path}, a private name that irg_experiments needs. "
            f"It was tried with torch {', '.join(TRIED)}: install one of these versions."
        ) from error


def forward_ad_level() -> int:
    """The depth of nested forward-mode differentiation, −1 outside."""
    return forward_ad._current_level


def constant_when_traced(function: _F) -> _F:
    """Decorator: torch.compile calls the function while it traces, and treats the result as a constant.

    The same as ``torch.compiler.assume_constant_result``, which takes a second to import.
    """
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return function


lookup("torch.autograd.forward_ad._current_level")  # a number that changes, so it cannot be one of NAMES
