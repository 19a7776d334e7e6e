"""Special functions and sample derivatives that torch lacks, under SciPy's names where SciPy has them."""

from irg_experiments.implicit.special.beta import beta_sample_grad, betainc
from irg_experiments.implicit.special.gamma import gamma_sample_grad, log_gamma_sample_grad
from irg_experiments.implicit.special.gammainc import gammainc, gammaincc
from irg_experiments.implicit.special.normal import log_ndtr, ndtr, ndtri_exp
from irg_experiments.implicit.special.student_t import stdtr, student_t_sample_grad
from irg_experiments.implicit.special.von_mises import von_mises_cdf, von_mises_sample_grad

__all__ = [
    "beta_sample_grad",
    "betainc",
    "gamma_sample_grad",
    "gammainc",
    "gammaincc",
    "log_gamma_sample_grad",
    "log_ndtr",
    "ndtr",
    "ndtri_exp",
    "stdtr",
    "student_t_sample_grad",
    "von_mises_cdf",
    "von_mises_sample_grad",
]
