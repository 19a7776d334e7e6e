"""Samplers: what the tests of the distributions leave out."""

import math
from concurrent.futures import ThreadPoolExecutor

import pytest
import scipy.stats
import torch

from irg_experiments.implicit import Dirichlet, Gamma, VonMises
from irg_experiments.implicit.sampling import standard_gamma, standard_log_gamma, standard_von_mises
from irg_experiments.implicit.sampling.gamma import _FEW
from tests.statistics import DRAWS, assert_law

SAMPLERS = [standard_gamma, standard_log_gamma, standard_von_mises]


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_shape_dtype_and_layout(sampler, dtype: torch.dtype):
    for parameter in (torch.tensor(2.0), torch.empty(0), torch.ones(3, 1, 4).expand(3, 5, 4), torch.ones(40, 30).T):
        draws = sampler(parameter.to(dtype).requires_grad_())
        assert (draws.shape, draws.dtype, draws.requires_grad) == (parameter.shape, dtype, False)
        assert draws.isfinite().all()


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("size", [10, 5000])
def test_nan_stays_nan_and_ends_no_loop(sampler, size: int):
    parameter = torch.ones(size)
    parameter[3] = math.nan
    draws = sampler(parameter)
    assert draws.isnan().nonzero().tolist() == [[3]]


@pytest.mark.parametrize("size", [_FEW // 2, 40_000])
def test_few_and_many_gammas_have_one_law(size: int):
    # both sides of the size from which the vectorised sampler takes over, across several blocks
    for shape in (0.05, 0.7, 1.0, 3.0, 1e3):
        concentration = torch.full((size,), shape, dtype=torch.float64)
        draws = torch.cat([standard_log_gamma(concentration) for _ in range(40_000 // size)])
        assert_law(draws, scipy.stats.loggamma(shape).cdf)


def test_von_mises_at_the_limits_of_its_concentration():
    uniform = standard_von_mises(torch.zeros(DRAWS, dtype=torch.float64))
    assert_law(uniform, scipy.stats.uniform(-math.pi, 2 * math.pi).cdf)
    for dtype, concentration in ((torch.float32, 1e10), (torch.float64, 1e20)):
        draws = standard_von_mises(torch.full((DRAWS,), concentration, dtype=dtype)).double() * concentration**0.5
        assert_law(draws, scipy.stats.norm.cdf)


def test_two_draws_of_one_compiled_function_differ():
    @torch.compile(fullgraph=True, backend="aot_eager")
    def two(concentration: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return standard_gamma(concentration), standard_gamma(concentration)

    first, second = two(torch.ones(50))
    assert not torch.equal(first, second)


def test_vmap_draws_alike_or_differently():
    def draw(_: torch.Tensor) -> torch.Tensor:
        return standard_gamma(torch.ones(5))

    same = torch.func.vmap(draw, randomness="same")(torch.arange(2))
    assert torch.equal(same[0], same[1])
    different = torch.func.vmap(draw, randomness="different")(torch.arange(2))
    assert not torch.equal(different[0], different[1])
    with pytest.raises(RuntimeError, match="random"):
        torch.func.vmap(draw)(torch.arange(2))


def test_threads_sample_and_differentiate_at_once():
    def work(seed: int) -> list[torch.Tensor]:
        concentration = torch.full((200, 20), 0.3, requires_grad=True)
        results = []
        for family in (Dirichlet, lambda a: Gamma(a, 1.0), lambda a: VonMises(0.0 * a, a)):
            sample = family(concentration).rsample(generator=torch.Generator().manual_seed(seed))
            results += [sample, torch.autograd.grad(sample.square().sum(), concentration)[0]]
        return results

    expected = [work(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for once, at_once in zip(expected, pool.map(work, range(4)), strict=True):
            for first, second in zip(once, at_once, strict=True):
                assert torch.equal(first, second)
