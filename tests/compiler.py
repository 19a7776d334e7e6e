"""How the tests configure TorchInductor, and how they compare what it compiles with eager code."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from irg_experiments.training.compilation import loss_and_grad
from tests.statistics import seed

# It generates each kernel twice rather than thrice, less often inlines what several outputs share, and compiles no programs to
# try the instruction set.
QUICK = {"cpp.enable_loop_tail_vec": False, "realize_opcount_threshold": 8, "cpp.vec_isa_ok": True}


def quick_compiler() -> AbstractContextManager[None]:
    """Inside, compiling takes less time, and the compiled code more."""
    from torch._inductor import config  # takes seconds to import

    return config.patch(QUICK)


def assert_compiled_equals_eager(loss: Callable[..., Tensor], parameters: Sequence[nn.Parameter], *arguments: Tensor) -> None:
    """The same draws, and so loss and gradients to float32's rounding."""
    results = []
    for compiled in (False, True):
        function = loss_and_grad(loss, parameters, compiled, torch.device("cpu"))
        seed(1)
        results.append(function(*arguments))
    (eager, expected), (value, gradients) = results
    torch.testing.assert_close(value, eager, rtol=1e-5, atol=0)
    for gradient, reference in zip(gradients, expected, strict=True):
        assert (gradient - reference).norm() <= 1e-5 * reference.norm()
