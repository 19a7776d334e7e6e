"""Distributions with implicit reparameterization gradients, drop-in for ``torch.distributions``."""

from irg_experiments.implicit.distributions.beta import Beta
from irg_experiments.implicit.distributions.beta_prime import BetaPrime
from irg_experiments.implicit.distributions.chi2 import Chi2
from irg_experiments.implicit.distributions.copula import Copula
from irg_experiments.implicit.distributions.dirichlet import Dirichlet
from irg_experiments.implicit.distributions.exp_concrete import ExpConcrete
from irg_experiments.implicit.distributions.fisher_snedecor import FisherSnedecor
from irg_experiments.implicit.distributions.gamma import Gamma
from irg_experiments.implicit.distributions.generalized_gamma import GeneralizedGamma
from irg_experiments.implicit.distributions.gumbel import Gumbel
from irg_experiments.implicit.distributions.hyperspherical_uniform import HypersphericalUniform
from irg_experiments.implicit.distributions.inverse_gamma import InverseGamma
from irg_experiments.implicit.distributions.inverse_gaussian import InverseGaussian
from irg_experiments.implicit.distributions.inverse_wishart import InverseWishart
from irg_experiments.implicit.distributions.kumaraswamy import Kumaraswamy
from irg_experiments.implicit.distributions.lkj_cholesky import LKJCholesky
from irg_experiments.implicit.distributions.log_gamma import LogGamma
from irg_experiments.implicit.distributions.logistic_normal import LogisticNormal
from irg_experiments.implicit.distributions.mixture_same_family import MixtureSameFamily
from irg_experiments.implicit.distributions.normal import Normal
from irg_experiments.implicit.distributions.power_spherical import PowerSpherical
from irg_experiments.implicit.distributions.reparameterized import Reparameterized
from irg_experiments.implicit.distributions.skew_normal import SkewNormal
from irg_experiments.implicit.distributions.student_t import StudentT
from irg_experiments.implicit.distributions.truncated import Truncated
from irg_experiments.implicit.distributions.two_piece_normal import TwoPieceNormal
from irg_experiments.implicit.distributions.von_mises import VonMises
from irg_experiments.implicit.distributions.von_mises_fisher import VonMisesFisher
from irg_experiments.implicit.distributions.weibull import Weibull
from irg_experiments.implicit.distributions.wishart import Wishart

__all__ = [
    "Beta",
    "BetaPrime",
    "Chi2",
    "Copula",
    "Dirichlet",
    "ExpConcrete",
    "FisherSnedecor",
    "Gamma",
    "GeneralizedGamma",
    "Gumbel",
    "HypersphericalUniform",
    "InverseGamma",
    "InverseGaussian",
    "InverseWishart",
    "Kumaraswamy",
    "LKJCholesky",
    "LogGamma",
    "LogisticNormal",
    "MixtureSameFamily",
    "Normal",
    "PowerSpherical",
    "Reparameterized",
    "SkewNormal",
    "StudentT",
    "Truncated",
    "TwoPieceNormal",
    "VonMises",
    "VonMisesFisher",
    "Weibull",
    "Wishart",
]
