"""In place of torch's classes: subclasses, signatures, copies, modes, devices and dtypes as torch has them."""

import copy
import inspect
import io
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.distributions as td
from torch import Size, Tensor
from torch._subclasses.fake_tensor import DynamicOutputShapeException, FakeTensor, FakeTensorMode
from torch.distributions.transforms import AffineTransform
from torch.utils.data import DataLoader, Dataset

from irg_experiments import implicit
from irg_experiments.implicit import compilation
from tests.implicit.registry import REGISTRY, Row
from tests.implicit.selection import every, those

HALF = [torch.float16, torch.bfloat16]
# what torch inherits to this package and cannot compute without values
NEEDS_VALUES = {"mode"}


def results(q: td.Distribution, value: Tensor) -> dict[str, Tensor]:
    """Every result that a distribution has, by method; the draws from the same seed."""
    calls: dict[str, Callable[[], Any]] = {
        "sample": lambda: q.sample((2,)),
        "rsample": lambda: q.rsample((2,)),
        "expand": lambda: q.expand((2, *q.batch_shape)).log_prob(value),
        "log_prob": lambda: q.log_prob(value),
        "entropy": lambda: q.entropy(),
        **{name: lambda name=name: getattr(q, name) for name in ("mean", "variance", "stddev", "mode")},
    }
    if not q.event_shape:
        methods = [name for name in ("cdf", "survival_function", "log_cdf", "log_survival_function") if hasattr(q, name)]
        calls.update({name: lambda name=name: getattr(q, name)(value) for name in methods})
        calls["icdf"] = lambda: q.icdf(torch.full_like(value, 0.3))
    found = {}
    for name, call in calls.items():
        torch.manual_seed(0)
        try:
            found[name] = call()
        except (NotImplementedError, DynamicOutputShapeException):
            continue
    return found


def ordinary(row: Row) -> tuple[list[Tensor], Tensor, dict[str, Tensor]]:
    """Parameters in float32 on the CPU, a draw, and the results."""
    parameters = row.parameters(dtype=torch.float32)
    q = row.make(*parameters)
    value = q.sample()
    return parameters, value, results(q, value)


def differentiated(row: Row, parameters: list[Tensor], **options: Any) -> list[Tensor]:
    """The gradients of the sum of two draws."""
    parameters = [parameter.detach().clone().requires_grad_() for parameter in parameters]
    torch.manual_seed(0)
    total = row.make(*parameters, **options).rsample((2,)).sum()
    return torch.autograd.grad(total, parameters)


def assert_identical(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, result in found.items():
        torch.testing.assert_close(result, expected[name], rtol=0, atol=0, equal_nan=True, msg=lambda m, n=name: f"{n}: {m}")


def subclass(q: td.Distribution, **members: Any) -> td.Distribution:
    """The distribution as an instance of a subclass of its class."""
    q = copy.copy(q)
    q.__class__ = type("Own", (type(q),), members)
    return q


# subclasses


@every
def test_sample_follows_rsample_with_the_signature_of_torch(name: str):
    base = REGISTRY[name].grid_distribution()

    def rsample(self: td.Distribution, sample_shape: Size = torch.Size()) -> Tensor:
        return torch.full_like(type(base).rsample(self, sample_shape), 7.0)

    q = subclass(base, rsample=rsample)
    assert q.sample((2,)).shape == (2, *q.batch_shape, *q.event_shape)
    assert (q.sample() == 7).all()
    assert q.sample().requires_grad is False
    assert (q.expand((2, *q.batch_shape)).sample() == 7).all()


@every
def test_sample_may_be_written_by_rsample(name: str):
    base = REGISTRY[name].grid_distribution()

    def sample(self: td.Distribution, sample_shape: Size = torch.Size()) -> Tensor:
        return self.rsample(sample_shape).detach()

    q = subclass(base, sample=sample)
    torch.manual_seed(0)
    drawn = q.sample((2,))
    torch.manual_seed(0)
    assert torch.equal(drawn, base.sample((2,)))


@every
def test_expand_fills_the_instance_of_a_subclass(name: str):
    base = REGISTRY[name].grid_distribution()

    def expand(self: td.Distribution, batch_shape: Any, _instance: Any = None) -> td.Distribution:
        new = self._get_checked_instance(type(self), _instance)
        new.label = self.label
        assert type(base).expand(self, batch_shape, _instance=new) is new
        return new

    q = subclass(base, expand=expand)
    q.label = "mine"
    new = q.expand(Size((2, *q.batch_shape)))
    assert (type(new), new.label, new.batch_shape) == (type(q), "mine", (2, *q.batch_shape))
    assert new.rsample((3,)).shape == (3, 2, *q.batch_shape, *q.event_shape)


# signatures


def peers() -> Any:
    return those(lambda row: row.peer is not None)


def own_class(name: str) -> type[td.Distribution]:
    return type(REGISTRY[name].grid_distribution())


@peers()
def test_arguments_have_the_names_and_the_order_of_torch(name: str):
    own, peer = own_class(name), REGISTRY[name].peer
    assert issubclass(own, peer)
    for method, function in inspect.getmembers(peer, inspect.isfunction):
        if method.startswith("_") and method != "__init__":
            continue
        if not function.__module__.startswith("torch."):  # Pyro adds methods to torch's classes where it is imported
            continue
        theirs, ours = (inspect.signature(f).parameters for f in (function, getattr(own, method)))
        # the generator comes before what torch lets some draws take besides
        leading = 2 if method in ("sample", "rsample") else len(theirs)
        assert list(ours)[:leading] == list(theirs)[:leading], method
        for argument, parameter in theirs.items():
            assert ours[argument].kind in (parameter.kind, parameter.POSITIONAL_OR_KEYWORD), (method, argument)
            assert ours[argument].default == parameter.default, (method, argument)


@those(lambda row: row.peer is not None and isinstance(row.make, type))
def test_parameters_by_position_and_by_keyword(name: str):
    row = REGISTRY[name]
    parameters = row.parameters()
    keywords = dict(zip(inspect.signature(row.peer).parameters, parameters, strict=False))
    value = row.grid_distribution().sample()
    for q in (row.make(*parameters, False), row.make(**keywords, validate_args=False)):
        assert q._validate_args is False
        # torch's Bessel functions have seven digits
        torch.testing.assert_close(q.log_prob(value), row.peer(**keywords).log_prob(value), rtol=1e-6, atol=1e-6)
    assert torch.equal(q.log_prob(value), q.log_prob(value=value))
    assert row.make(**{key: parameter.to(torch.float32) for key, parameter in keywords.items()}).sample().dtype == torch.float32


@those(lambda row: row.divergences and row.peer is not None)
def test_divergences_from_and_to_the_class_of_torch(name: str):
    row = REGISTRY[name]
    for p, q in row.divergences:
        p, q = row.parameters((p,)), row.parameters((q,))
        expected = td.kl_divergence(row.make(*p), row.make(*q))
        if (row.peer, row.peer) not in td.kl._KL_REGISTRY:
            continue
        for mixed in ((row.make(*p), row.peer(*q)), (row.peer(*p), row.make(*q))):
            torch.testing.assert_close(td.kl_divergence(*mixed), expected)


@every
@pytest.mark.parametrize("validate_args", [True, False, None])
def test_validation_is_as_asked(name: str, validate_args: bool | None):
    row = REGISTRY[name]
    q = row.grid_distribution(validate_args=validate_args)
    validates = td.Distribution._validate_args if validate_args is None else validate_args
    assert q._validate_args is q.expand((2, *q.batch_shape))._validate_args is validates
    invalid = row.parameters((row.invalid,))
    if validates:
        with pytest.raises(ValueError, match=r"\w"):  # most messages are torch's
            row.make(*invalid, validate_args=validate_args)
    else:
        row.make(*invalid, validate_args=validate_args)


# copies and other processes


@every
def test_parameters_survive_a_file(name: str):
    row = REGISTRY[name]
    file = io.BytesIO()
    q = row.grid_distribution()
    torch.save({key: value for key, value in vars(q).items() if isinstance(value, Tensor)}, file)
    file.seek(0)
    for key, value in torch.load(file, weights_only=True).items():
        setattr(q, key, value)
    torch.manual_seed(0)
    drawn = q.sample((2,))
    torch.manual_seed(0)
    assert torch.equal(drawn, row.grid_distribution().sample((2,)))


class Draws(Dataset[list[Tensor]]):
    """An item is enough draws of each distribution for the vectorized samplers."""

    def __init__(self) -> None:
        self.distributions = [row.grid_distribution() for row in REGISTRY.values()]

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> list[Tensor]:
        return [q.sample((600,)) for q in self.distributions]


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # more workers than processors
def test_workers_of_a_data_loader():
    data = Draws()
    first, second = DataLoader(data, batch_size=None, num_workers=2)
    for q, one, two in zip(data.distributions, first, second, strict=True):
        assert one.shape == two.shape == (600, *q.batch_shape, *q.event_shape)
        assert one.isfinite().all()
        assert not torch.equal(one, two)


# modes, devices and dtypes


@every
def test_inference_mode(name: str):
    row = REGISTRY[name]
    parameters, value, expected = ordinary(row)
    with torch.inference_mode():
        assert_identical(results(row.make(*parameters), value), expected)


@every
def test_parameters_in_float32_under_another_default_dtype(name: str):
    row = REGISTRY[name]
    parameters, value, expected = ordinary(row)
    gradients = differentiated(row, parameters)
    torch.set_default_dtype(torch.float64)
    try:
        found = results(row.make(*parameters), value)
        again = differentiated(row, parameters)
    finally:
        torch.set_default_dtype(torch.float32)
    assert {key: result.dtype for key, result in found.items()} == dict.fromkeys(expected, torch.float32)
    assert_identical(found, expected)
    assert all(map(torch.equal, again, gradients))


@every
def test_parameters_elsewhere_than_the_default_device(name: str):
    row = REGISTRY[name]
    parameters, value, expected = ordinary(row)
    gradients = differentiated(row, parameters)
    with torch.device("meta"):
        found = results(row.make(*parameters), value)
        again = differentiated(row, parameters)
    assert_identical(found, expected)
    assert all(map(torch.equal, again, gradients))


@every
def test_parameters_on_the_meta_device(name: str):
    row = REGISTRY[name]
    parameters, value, expected = ordinary(row)
    parameters = [parameter.to("meta") for parameter in parameters]
    found = results(row.make(*parameters, validate_args=False), value.to("meta"))
    assert found.keys() | NEEDS_VALUES == expected.keys() | NEEDS_VALUES
    for method, result in found.items():
        assert (result.device.type, result.shape, result.dtype) == ("meta", expected[method].shape, torch.float32), method
    for gradient in differentiated(row, parameters, validate_args=False):
        assert gradient.is_meta


@every
def test_fake_tensors(name: str):
    row = REGISTRY[name]
    parameters, value, expected = ordinary(row)
    with FakeTensorMode() as mode:
        parameters = [mode.from_tensor(parameter) for parameter in parameters]
        q = row.make(*parameters, validate_args=False)
        found = {**results(q, mode.from_tensor(value)), "many": q.rsample((600,))}
        gradients = differentiated(row, parameters, validate_args=False)
    assert found.keys() | NEEDS_VALUES == expected.keys() | NEEDS_VALUES | {"many"}
    for method, result in found.items():
        shape = (600, *value.shape) if method == "many" else expected[method].shape
        assert (type(result), result.shape, result.dtype) == (FakeTensor, shape, torch.float32), method
    assert {type(gradient) for gradient in gradients} == {FakeTensor}


def test_no_machine_code_for_tensors_without_values(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(compilation, "_kernel", None)
    with FakeTensorMode(), torch.no_grad():
        assert implicit.special.gammainc(torch.ones(100), torch.ones(100)).shape == (100,)
    with torch.device("meta"), torch.no_grad():
        assert implicit.special.gammainc(torch.ones(100), torch.ones(100)).is_meta


@every
@pytest.mark.filterwarnings("ignore")  # torch.jit is deprecated
def test_traced_by_torch_jit(name: str):
    row = REGISTRY[name]
    parameters = [parameter[:1].expand(600, *parameter.shape[1:]) for parameter in row.parameters()]

    def draw(*parameters: Tensor) -> Tensor:
        return row.make(*parameters, validate_args=False).rsample()

    traced = torch.jit.trace(draw, parameters, check_trace=False)
    for seed in range(3):  # the optimizer of torch.jit runs from the second call on
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            found = traced(*parameters)
        torch.manual_seed(seed)
        # only rounding differs, where quantiles are found numerically: in a graph, by a fixed number of steps
        torch.testing.assert_close(found, draw(*parameters), rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", ["Beta", "BetaPrime", "FisherSnedecor", "Weibull"])
@pytest.mark.filterwarnings("ignore")
def test_quantiles_traced_by_torch_jit(name: str):
    """With torch's own check, which compares two recordings as text."""
    make = REGISTRY[name].make
    parameters, p = (torch.tensor([0.7, 2.0]), torch.tensor([1.5, 3.0])), torch.tensor([0.3, 0.9])
    traced = torch.jit.trace(lambda p, *rest: make(*rest).cdf(make(*rest).icdf(p)), (p, *parameters))
    for _ in range(2):
        torch.testing.assert_close(traced(p, *parameters), p)


@pytest.mark.filterwarnings("ignore")
def test_torch_jit_keeps_equal_draws_apart():
    traced = torch.jit.trace(lambda a: implicit.Beta(a, a).rsample(), torch.ones(600), check_trace=False)
    for _ in range(3):
        assert traced(torch.ones(600)).unique().numel() > 500


@pytest.mark.parametrize("name", ["Beta", "Dirichlet", "FisherSnedecor", "Kumaraswamy", "StudentT"])
def test_whole_numbers_as_parameters(name: str):
    row = REGISTRY[name]
    parameters = [torch.ones_like(parameter, dtype=torch.long) * 2 for parameter in row.parameters()]
    value = row.grid_distribution(torch.float32).sample()
    expected = row.peer(*parameters).log_prob(value)
    torch.testing.assert_close(row.make(*parameters).log_prob(value), expected, rtol=1e-4, atol=1e-4)


@every
@pytest.mark.parametrize("dtype", HALF)
def test_half_types(name: str, dtype: torch.dtype):
    row = REGISTRY[name]
    _, value, expected = ordinary(row)
    parameters = row.parameters(dtype=dtype)
    found = results(row.make(*parameters, validate_args=False), value.to(dtype))
    assert {key: result.dtype for key, result in found.items()} == dict.fromkeys(expected, dtype)
    for draws in (found["sample"], found["rsample"]):
        assert draws.isfinite().all()
    assert all(gradient.dtype == dtype for gradient in differentiated(row, parameters, validate_args=False))


FAMILIES = {
    "Normal": implicit.Normal,
    "Gamma": implicit.Gamma,
    "Beta": implicit.Beta,
    "StudentT": lambda a, b: implicit.StudentT(a, b, a),
    "VonMises": implicit.VonMises,
    "Mixture": lambda a, b: implicit.MixtureSameFamily(
        td.Categorical(torch.ones_like(a)), implicit.Gamma(a.unsqueeze(-1).expand(2, 2), b.unsqueeze(-1).expand(2, 2))
    ),
}


@pytest.mark.parametrize("family", ["Normal", "Gamma", "Mixture"])
@pytest.mark.parametrize("dtype", HALF)
def test_truncated_half_types_are_computed_in_float32(family: str, dtype: torch.dtype):
    a, b, low, high, p = (torch.tensor(x, dtype=dtype) for x in ([0.75, 2.0], [1.5, 0.5], 0.25, 0.875, [0.25, 0.5]))
    half, single = (
        implicit.Truncated(FAMILIES[family](a.to(t), b.to(t)), low.to(t), high.to(t)) for t in (dtype, torch.float32)
    )
    z = half.icdf(p)
    compared = [(z, single.icdf(p.float())), (half.mean, single.mean), (half.variance, single.variance)]
    for name in ("log_prob", "cdf", "survival_function"):
        compared.append((getattr(half, name)(z), getattr(single, name)(z.float())))
    for found, expected in compared:
        torch.testing.assert_close(found, expected.to(dtype), rtol=4 * torch.finfo(dtype).eps, atol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_composed_in_float32_under_another_default_dtype(family: str):
    a, b = torch.tensor([0.75, 2.0], requires_grad=True), torch.tensor([1.5, 0.5], requires_grad=True)
    torch.set_default_dtype(torch.float64)
    try:
        base = FAMILIES[family](a, b)
        composed = [implicit.Truncated(base, 0.25, 0.875), implicit.Reparameterized(base)]
        vectors = td.Independent(FAMILIES[family](a, b).expand((3, 2)), 1)
        composed.append(implicit.MixtureSameFamily(td.Categorical(logits=torch.zeros(3, dtype=a.dtype)), vectors))
        composed += [td.TransformedDistribution(base, [AffineTransform(1, 2)]), td.Independent(base, 1)]
        for q in composed:
            sample = q.rsample((2,))
            assert sample.dtype == q.sample().dtype == q.log_prob(sample.detach()).dtype == torch.float32
            assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(sample.sum(), (a, b)))
    finally:
        torch.set_default_dtype(torch.float32)
