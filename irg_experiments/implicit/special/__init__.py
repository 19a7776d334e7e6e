"""Special functions and sample derivatives that torch lacks, under SciPy's names where SciPy has them."""

from irg_experiments.implicit.special.gamma import gamma_sample_grad, log_gamma_sample_grad
from irg_experiments.implicit.special.gammainc import gammainc, gammaincc

__all__ = ["gamma_sample_grad", "gammainc", "gammaincc", "log_gamma_sample_grad"]
