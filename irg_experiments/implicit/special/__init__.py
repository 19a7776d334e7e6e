"""Special functions and derivatives of samples that torch lacks, named as in SciPy where SciPy has them.

They take and return tensors, elementwise and with broadcasting, on every device; where there are several arguments, all but one
may be Python numbers. float16 and bfloat16 are computed in float32.
The value outside the domain is NaN. Derivatives of samples are taken at a fixed value of the distribution function.
"""

from irg_experiments.implicit.special.beta import beta_sample_grad, betainc
from irg_experiments.implicit.special.betaincinv import betaincinv, log_fdtri, logit_betaincinv
from irg_experiments.implicit.special.gamma import gamma_sample_grad, log_gamma_sample_grad
from irg_experiments.implicit.special.gamma_ratio import digamma_difference, log_gamma_ratio
from irg_experiments.implicit.special.gammainc import gammainc, gammaincc
from irg_experiments.implicit.special.gammaincinv import gammainccinv, gammaincinv, log_gammainccinv, log_gammaincinv
from irg_experiments.implicit.special.inverse_gaussian import (
    exp1e,
    inverse_gaussian_cdf,
    inverse_gaussian_sample_grad,
    inverse_gaussian_sf,
)
from irg_experiments.implicit.special.log_gamma import log_gamma_cdf_difference, log_gamma_density
from irg_experiments.implicit.special.ndtri import ndtri
from irg_experiments.implicit.special.normal import log_ndtr, ndtr, ndtri_exp
from irg_experiments.implicit.special.owens_t import owens_t, skew_normal_cdf, skew_normal_sample_grad
from irg_experiments.implicit.special.stdtrit import stdtrit
from irg_experiments.implicit.special.student_t import stdtr, student_t_log_peak, student_t_sample_grad
from irg_experiments.implicit.special.truncated_normal import truncated_ndtri
from irg_experiments.implicit.special.two_piece_normal import two_piece_normal_sample_grad
from irg_experiments.implicit.special.von_mises import circular_variance, von_mises_cdf, von_mises_sample_grad
from irg_experiments.implicit.special.von_mises_fisher import (
    log_sphere_area,
    mean_resultant_complement,
    mean_resultant_length,
    mean_resultant_slope,
    von_mises_fisher_angle_grad,
    von_mises_fisher_log_normalizer,
    von_mises_fisher_log_peak,
    von_mises_fisher_negentropy,
    von_mises_fisher_sample_grad,
)
from irg_experiments.implicit.special.von_mises_icdf import von_mises_icdf

__all__ = [
    "beta_sample_grad",
    "betainc",
    "betaincinv",
    "circular_variance",
    "digamma_difference",
    "exp1e",
    "gamma_sample_grad",
    "gammainc",
    "gammaincc",
    "gammainccinv",
    "gammaincinv",
    "inverse_gaussian_cdf",
    "inverse_gaussian_sample_grad",
    "inverse_gaussian_sf",
    "log_fdtri",
    "log_gamma_cdf_difference",
    "log_gamma_density",
    "log_gamma_ratio",
    "log_gamma_sample_grad",
    "log_gammainccinv",
    "log_gammaincinv",
    "log_ndtr",
    "log_sphere_area",
    "logit_betaincinv",
    "mean_resultant_complement",
    "mean_resultant_length",
    "mean_resultant_slope",
    "ndtr",
    "ndtri",
    "ndtri_exp",
    "owens_t",
    "skew_normal_cdf",
    "skew_normal_sample_grad",
    "stdtr",
    "stdtrit",
    "student_t_log_peak",
    "student_t_sample_grad",
    "truncated_ndtri",
    "two_piece_normal_sample_grad",
    "von_mises_cdf",
    "von_mises_fisher_angle_grad",
    "von_mises_fisher_log_normalizer",
    "von_mises_fisher_log_peak",
    "von_mises_fisher_negentropy",
    "von_mises_fisher_sample_grad",
    "von_mises_icdf",
    "von_mises_sample_grad",
]
