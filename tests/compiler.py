"""How the tests configure TorchInductor."""

from contextlib import AbstractContextManager

# It generates each kernel twice rather than thrice, less often inlines what several outputs share, and compiles no programs to
# try the instruction set.
QUICK = {"cpp.enable_loop_tail_vec": False, "realize_opcount_threshold": 8, "cpp.vec_isa_ok": True}


def quick_compiler() -> AbstractContextManager[None]:
    """Inside, compiling takes less time, and the compiled code more."""
    from torch._inductor import config  # takes seconds to import

    return config.patch(QUICK)
