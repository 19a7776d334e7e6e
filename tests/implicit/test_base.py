"""The base classes: what a subclass gets from them, and that a new distribution needs no more than its formulas."""

import copy
import inspect
import math
import pickle
from typing import Any

import pytest
import scipy.stats
import torch
import torch.distributions as td
from torch import Generator, Size, Tensor
from torch.distributions import constraints

from irg_experiments import implicit
from irg_experiments.implicit.distributions.base import (
    Reparameterizable,
    ReparameterizableByCDF,
    exp_clamped,
    inside_unit_interval,
)
from irg_experiments.implicit.sampling import standard_normal
from tests.implicit import test_distribution_samples, test_distribution_transforms, test_distributions
from tests.implicit.registry import REGISTRY, Row, moments
from tests.implicit.selection import DTYPES, every, those


class Rayleigh(ReparameterizableByCDF):
    """The example of CONTRIBUTING.md."""

    arg_constraints = {"scale": constraints.positive}  # noqa: RUF012
    support = constraints.positive

    def __init__(self, scale: Tensor, validate_args: bool | None = None) -> None:
        self.scale = scale
        super().__init__(scale.shape, validate_args=validate_args)

    def _draw(self, shape: Size, generator: Generator | None) -> Tensor:
        return self.scale * standard_normal((2, *shape), self.scale, generator).norm(dim=0)

    def cdf(self, value: Tensor) -> Tensor:
        return -torch.expm1(-0.5 * (self._validated(value) / self.scale) ** 2)

    def log_prob(self, value: Tensor) -> Tensor:
        return self._validated(value).log() - 2 * self.scale.log() - 0.5 * (value / self.scale) ** 2

    @property
    def mean(self) -> Tensor:
        return self.scale * math.sqrt(math.pi / 2)

    @property
    def variance(self) -> Tensor:
        return self.scale**2 * (2 - math.pi / 2)

    @property
    def mode(self) -> Tensor:
        return self.scale

    def entropy(self) -> Tensor:
        return 1 + (self.scale / math.sqrt(2)).log() + 0.28860783245076643


ROW = Row(
    Rayleigh,
    grid=((0.5,), (1.0,), (3.0,)),
    gradient="implicit",
    draws=((0.5,), (2.0,)),
    scipy=lambda s: scipy.stats.rayleigh(scale=s),
    expectations=moments(lambda s: s * math.sqrt(math.pi / 2), lambda s: (2 - math.pi / 2) * s**2),
    invalid=(-1.0,),
    range=((1e-3, 1e3),),
)


def generic_tests() -> dict[str, Any]:
    """The tests whose only argument is the name of a row, without those that need a GPU or torch's class."""
    modules = test_distributions, test_distribution_samples, test_distribution_transforms
    functions = {name: f for module in modules for name, f in vars(module).items() if name.startswith("test_")}
    del functions["test_on_cuda"], functions["test_drop_in_for_torch"]
    return {name: f for name, f in functions.items() if list(inspect.signature(f).parameters) == ["name"]}


GENERIC = generic_tests()


@pytest.mark.parametrize("test", GENERIC)
def test_a_distribution_needs_only_its_formulas(test: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(REGISTRY, "Rayleigh", ROW)
    GENERIC[test]("Rayleigh")


def test_the_gradient_is_that_of_the_cdf():
    scale = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)
    sample = Rayleigh(scale).rsample((1000,))
    (grad,) = torch.autograd.grad(sample.sum(), scale)
    torch.testing.assert_close(grad, (sample.detach() / scale.detach()).sum(0))  # z is proportional to σ


def test_draws_are_not_evaluated_without_a_gradient():
    class WithoutDensity(Rayleigh):
        def cdf(self, value: Tensor) -> Tensor:
            raise AssertionError

    q = WithoutDensity(torch.ones(3))
    assert q.sample((2,)).shape == (2, 3)
    with pytest.raises(AssertionError):
        q.rsample()


@pytest.mark.parametrize("base", [Reparameterizable, ReparameterizableByCDF])
def test_the_bases_are_abstract(base: type[Reparameterizable]):
    with pytest.raises(TypeError, match="abstract"):
        base()


@every
def test_rsample_may_be_overridden_with_the_signature_of_torch(name: str):
    q = copy.copy(REGISTRY[name].grid_distribution())

    class Own(type(q)):  # type: ignore[misc]
        def rsample(self, sample_shape: Size = Size()) -> Tensor:
            return super().rsample(sample_shape)

    q.__class__ = Own
    assert q.sample((2,)).shape == (2, *q.batch_shape, *q.event_shape)
    assert not q.sample().requires_grad


def test_sample_is_the_overridden_rsample():
    class Negated(implicit.Gamma):
        def rsample(self, sample_shape: Size = Size()) -> Tensor:
            return -super().rsample(sample_shape)

    assert (Negated(torch.ones(3), torch.ones(3)).sample((100,)) < 0).all()


@every
def test_copies_draw_the_same(name: str):
    q = REGISTRY[name].grid_distribution()
    draws = []
    for same in (q, copy.deepcopy(q), pickle.loads(pickle.dumps(q))):
        torch.manual_seed(1)
        draws.append(same.sample((2,)))
    assert torch.equal(draws[0], draws[1])
    assert torch.equal(draws[0], draws[2])


@every
@pytest.mark.parametrize("validate_args", [False, True])
def test_expand_keeps_validation(name: str, validate_args: bool):
    q = REGISTRY[name].grid_distribution(validate_args=validate_args)
    assert q.expand((2, *q.batch_shape))._validate_args is validate_args


def test_expand_with_attributes_of_a_subclass():
    class Labelled(implicit.LogGamma):
        def __init__(self, concentration: Tensor, label: str) -> None:
            super().__init__(concentration)
            self.label = label

    class Offset(Labelled):
        def __init__(self, concentration: Tensor, offset: Tensor) -> None:
            super().__init__(concentration, "offset")
            self.offset = offset

        def expand(self, batch_shape: Any, _instance: Any = None) -> "Offset":
            new = self._get_checked_instance(Offset, _instance)
            new.offset = self.offset.expand(batch_shape)
            return super().expand(batch_shape, _instance=new)

    labelled = Labelled(torch.ones(3), "mine").expand((2, 3))
    assert (type(labelled), labelled.label, labelled.rate.shape) == (Labelled, "mine", (2, 3))
    offset = Offset(torch.ones(3), torch.zeros(3)).expand((2, 3))
    assert offset.offset.shape == offset.concentration.shape == offset.batch_shape == (2, 3)


def test_expand_reaches_the_parts():
    base = implicit.Normal(torch.zeros(3), torch.ones(3))
    for q in (implicit.Truncated(base, -1.0, torch.ones(3)), implicit.Reparameterized(base)):
        assert q.expand((2, 3)).base.batch_shape == (2, 3)
    matrix = implicit.Wishart(torch.tensor(5.0), torch.eye(2)).expand((3,))
    assert (matrix.df.shape, matrix.covariance_matrix.shape) == ((3,), (3, 2, 2))


@those(lambda row: row.peer is not td.Wishart)
def test_values_outside_the_support_are_rejected(name: str):
    checked, unchecked = (REGISTRY[name].grid_distribution(validate_args=validate) for validate in (True, False))
    outside = checked.sample() * math.nan
    methods = ("cdf", "survival_function", "log_cdf", "log_survival_function")
    for method in ("log_prob", *(m for m in methods if hasattr(checked, m) and not checked.event_shape)):
        with pytest.raises(ValueError, match="support"):
            getattr(checked, method)(outside)
        getattr(unchecked, method)(outside)


@pytest.mark.parametrize("dtype", DTYPES)
def test_saturation_at_the_limits_of_the_dtype(dtype: torch.dtype):
    limits = torch.finfo(dtype)
    edge = math.log(limits.max)
    x = torch.tensor([-2 * edge, -1.0, 1.0, edge - 1, 2 * edge, math.inf], dtype=dtype, requires_grad=True)
    value = exp_clamped(x)
    (grad,) = torch.autograd.grad(value.sum(), x)
    assert value[[0, 4, 5]].tolist() == [limits.tiny, limits.max, limits.max]
    assert grad[[0, 4, 5]].tolist() == [0, 0, 0]
    torch.testing.assert_close(value[1:4], x.detach()[1:4].exp())
    assert torch.equal(grad[1:4], value[1:4])
    unit = torch.tensor([0.0, 0.3, 1.0], dtype=dtype, requires_grad=True)
    inside = inside_unit_interval(unit)
    assert inside.tolist() == [limits.tiny, unit[1].item(), 1 - limits.eps / 2]
    assert torch.autograd.grad(inside.sum(), unit)[0].tolist() == [1, 1, 1]


@pytest.mark.parametrize("family", [implicit.InverseGamma, implicit.FisherSnedecor])
@pytest.mark.parametrize("dtype", DTYPES)
def test_draws_beyond_the_range_have_finite_gradients(family: Any, dtype: torch.dtype):
    parameters = [torch.full((100,), value, dtype=dtype, requires_grad=True) for value in (1e-4, 1e-4)]
    sample = family(*parameters).rsample()
    largest = sample == torch.finfo(dtype).max
    assert largest.any()
    for grad in torch.autograd.grad(sample.sum(), parameters):
        assert (grad[largest] == 0).all()


WHOLE_NUMBERS: dict[str, tuple[Any, ...]] = {
    "Beta": (2, 3),
    "BetaPrime": (2, 3),
    "Chi2": (2,),
    "Dirichlet": ([2, 3],),
    "ExpConcrete": (2, [1, 3]),
    "FisherSnedecor": (2, 3),
    "Gamma": (2, 3),
    "GeneralizedGamma": (2, 3, 1),
    "Gumbel": (1, 2),
    "InverseGamma": (2, 3),
    "InverseGaussian": (2, 3),
    "InverseWishart": (5, [[2, 1], [1, 2]]),
    "Kumaraswamy": (2, 3),
    "LogGamma": (2, 3),
    "LogisticNormal": ([1, 2], [1, 2]),
    "Normal": (0, 1),
    "PowerSpherical": ([1, 0, 0], 3),
    "SkewNormal": (0, 1, 2),
    "StudentT": (3, 0, 1),
    "TwoPieceNormal": (0, 1, 2),
    "VonMises": (0, 3),
    "VonMisesFisher": ([1, 0, 0], 3),
    "Weibull": (2, 3),
    "Wishart": (5, [[2, 1], [1, 2]]),
}


@pytest.mark.parametrize("name", WHOLE_NUMBERS)
@pytest.mark.parametrize("floating", [False, True])
def test_tensors_of_whole_numbers_are_parameters(name: str, floating: bool):
    """Alone in the default dtype, beside others in theirs."""
    numbers = [torch.tensor(number) for number in WHOLE_NUMBERS[name]]
    expected = [number.float() for number in numbers]
    if floating:
        numbers[-1] = expected[-1]
    family = getattr(implicit, name)
    torch.manual_seed(0)
    sample = family(*numbers).rsample((5,))
    torch.manual_seed(0)
    torch.testing.assert_close(sample, family(*expected).rsample((5,)))
    torch.testing.assert_close(family(*numbers).log_prob(sample), family(*expected).log_prob(sample))


def test_a_fraction_beside_a_tensor_of_whole_numbers_keeps_its_digits():
    assert implicit.BetaPrime(torch.tensor(2), 0.5).concentration0 == 0.5
    assert implicit.PowerSpherical(torch.tensor([1, 0]), 0.5).concentration == 0.5


def test_exp_concrete_agrees_with_torch():
    logits = torch.randn(4, 3, dtype=torch.float64)
    temperature = torch.tensor(0.7, dtype=torch.float64)
    ours, theirs = (
        family(temperature, logits=logits) for family in (implicit.ExpConcrete, td.relaxed_categorical.ExpRelaxedCategorical)
    )
    assert isinstance(ours, type(theirs))
    sample = ours.sample((5,))
    torch.testing.assert_close(sample.exp().sum(-1), torch.ones(5, 4, dtype=torch.float64))
    assert torch.equal(ours.log_prob(sample), theirs.log_prob(sample))
