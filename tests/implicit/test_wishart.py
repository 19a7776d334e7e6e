"""The Wishart distribution against SciPy and closed forms."""

import math

import pytest
import scipy.stats
import torch

from irg_experiments.implicit.distributions.wishart import Wishart
from tests.statistics import DRAWS, assert_law, assert_mean

SCALE_TRIL = torch.tensor([[1.0, 0.0, 0.0], [0.5, 2.0, 0.0], [-1.0, 0.3, 0.7]], dtype=torch.float64)
COVARIANCE = SCALE_TRIL @ SCALE_TRIL.mT
DFS = [2.01, 2.5, 3.0, 7.5, 200.0]


def scalar(value: float) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("df", [3.0, 7.5, 200.0])
def test_density_entropy_and_moments_against_scipy(df: float):
    ours, theirs = Wishart(scalar(df), scale_tril=SCALE_TRIL), scipy.stats.wishart(df, COVARIANCE.numpy())
    value = ours.sample((10,))
    expected = torch.tensor([theirs.logpdf(x.numpy()) for x in value], dtype=torch.float64)
    torch.testing.assert_close(ours.log_prob(value).detach(), expected, rtol=1e-11, atol=1e-10)
    assert abs(ours.entropy().item() - theirs.entropy()) < 1e-9
    for name in ("mean", "variance"):
        reference = getattr(theirs, name[:4].removesuffix("i"))()
        torch.testing.assert_close(getattr(ours, name).detach(), torch.tensor(reference))
    if df > 4:
        torch.testing.assert_close(ours.mode.detach(), torch.tensor(theirs.mode()))
    else:
        assert ours.mode.isnan().all()


def test_the_three_matrices_are_one():
    reference = Wishart(5.0, scale_tril=SCALE_TRIL)
    for other in (Wishart(5.0, COVARIANCE), Wishart(5.0, precision_matrix=COVARIANCE.inverse())):
        for name in ("scale_tril", "covariance_matrix", "precision_matrix", "mean"):
            torch.testing.assert_close(getattr(other, name), getattr(reference, name))
        torch.testing.assert_close(other._unbroadcasted_scale_tril, SCALE_TRIL)
    with pytest.raises(ValueError, match="exactly one"):
        Wishart(5.0)
    with pytest.raises(ValueError, match="exactly one"):
        Wishart(5.0, COVARIANCE, COVARIANCE)
    with pytest.raises(ValueError, match="two dimensions"):
        Wishart(5.0, COVARIANCE[0])


@pytest.mark.parametrize("df", DFS)
def test_draws_follow_the_distribution(df: float):
    tril = Wishart(scalar(df), scale_tril=SCALE_TRIL, validate_args=True).rsample_tril((DRAWS,)).detach()
    draws = tril @ tril.mT
    # a^T X a / a^T V a is χ²(df), and the last of L^-1 (L A), squared, is χ²(df − 2)
    a = torch.tensor([0.3, -1.0, 2.0], dtype=torch.float64)
    assert_law((draws @ a @ a) / (COVARIANCE @ a @ a), scipy.stats.chi2(df).cdf)
    last = (tril[:, 2, 2] / SCALE_TRIL[2, 2]) ** 2
    if df > 2.1:  # else it underflows
        assert_law(last, scipy.stats.chi2(df - 2).cdf)
    assert_mean(draws, df * COVARIANCE)
    assert (tril.diagonal(dim1=-2, dim2=-1) >= 0).all()
    assert torch.equal(tril, tril.tril())


@pytest.mark.parametrize("df", [2.5, 3.0, 7.5, 200.0])
def test_gradients_of_moments(df: float):
    # E[X] = df V, E[X²] = Var + E[X]² elementwise, E[ln |X|] = Σ ψ((df − i)/2) + 3 ln 2 + ln |V|
    many = torch.full((DRAWS,), df, dtype=torch.float64, requires_grad=True)
    tril = SCALE_TRIL.expand(DRAWS, 3, 3).clone().requires_grad_()
    q = Wishart(many, scale_tril=tril, validate_args=False)
    factor = q.rsample_tril()
    sample = factor @ factor.mT
    weight = torch.tensor([[1.0, -0.5, 0.2], [0.3, 0.7, 2.0], [1.0, 0.1, -1.0]], dtype=torch.float64)
    one_df, one_tril = scalar(df), SCALE_TRIL.clone().requires_grad_()
    one = Wishart(one_df, scale_tril=one_tril)
    log_det = 2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    digamma = ((one_df - torch.arange(3)) / 2).digamma().sum()
    for function, expected in (
        ((weight * sample).sum(), (weight * one.mean).sum()),
        ((weight * sample**2).sum(), (weight * (one.variance + one.mean**2)).sum()),
        (log_det.sum(), digamma + 3 * math.log(2) + 2 * one_tril.diagonal().log().sum()),
    ):
        grads = torch.autograd.grad(function, (many, tril), retain_graph=True)
        d_df, d_tril = torch.autograd.grad(expected, (one_df, one_tril), retain_graph=True)
        assert_mean(grads[0], d_df)
        lower = torch.ones(3, 3).tril().bool()
        assert_mean(grads[1][:, lower], d_tril[lower])


def test_nearly_singular_draws_in_float32():
    df = torch.full((2000,), 4.05, requires_grad=True)
    tril = Wishart(df, scale_tril=torch.eye(5).expand(2000, 5, 5)).rsample_tril()
    assert (tril.diagonal(dim1=-2, dim2=-1) > 0).float().mean() > 0.5
    (grad,) = torch.autograd.grad((tril @ tril.mT).sum(), df)
    assert grad.isfinite().all()


def test_derivatives_of_density_and_entropy():
    df, tril = scalar(4.5), SCALE_TRIL.clone().requires_grad_()
    value = Wishart(4.5, scale_tril=SCALE_TRIL).sample()

    def density(df: torch.Tensor, tril: torch.Tensor) -> torch.Tensor:
        q = Wishart(df, scale_tril=tril.tril(), validate_args=False)
        return torch.stack((q.log_prob(value), q.entropy()))

    assert torch.autograd.gradcheck(density, (df, tril))


def test_third_derivatives_in_df_raise():
    df = scalar(4.5)
    (grad,) = torch.autograd.grad(Wishart(df, scale_tril=SCALE_TRIL).rsample().sum() ** 2, df, create_graph=True)
    (second,) = torch.autograd.grad(grad, df, create_graph=True)
    with pytest.raises(NotImplementedError):
        torch.autograd.grad(second, df)


@pytest.mark.filterwarnings("ignore:Low df values:UserWarning")
def test_drop_in_for_torch():
    df, scale = torch.tensor([[3.5], [8.0]]), COVARIANCE.float()
    ours, theirs = (cls(df, covariance_matrix=scale, validate_args=True) for cls in (Wishart, torch.distributions.Wishart))
    assert (ours.batch_shape, ours.event_shape) == (theirs.batch_shape, theirs.event_shape)
    value = ours.sample((4,))
    assert value.shape == (4, 2, 1, 3, 3)
    torch.testing.assert_close(ours.log_prob(value), theirs.log_prob(value), rtol=1e-4, atol=1e-4)
    for name in ("mean", "variance", "mode"):
        torch.testing.assert_close(getattr(ours, name), getattr(theirs, name), equal_nan=True)
    torch.testing.assert_close(ours.entropy(), theirs.entropy())
    expanded = ours.expand((5, 2, 6))
    assert type(expanded) is Wishart
    assert expanded.rsample((7,)).shape == (7, 5, 2, 6, 3, 3)
    torch.testing.assert_close(expanded.mode, ours.mode.expand(5, 2, 6, 3, 3), equal_nan=True)
    assert expanded.log_prob(value[0, 0, 0]).shape == (5, 2, 6)
    first, second = (ours.sample((2,), generator=torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, second)
    with pytest.raises(ValueError, match="constraint"):
        Wishart(2.0, scale, validate_args=True)
    with pytest.raises(ValueError, match="support"):
        ours.log_prob(-value)


def test_a_number_is_no_value():
    with pytest.raises(ValueError, match="must be a Tensor"):
        Wishart(torch.tensor(4.0), scale_tril=SCALE_TRIL.float()).log_prob(1)


def draw(df: torch.Tensor, tril: torch.Tensor) -> torch.Tensor:
    return Wishart(df, scale_tril=tril, validate_args=False).rsample()


def test_under_vmap():
    df, tril = torch.tensor([3.5, 9.0]), SCALE_TRIL.float().expand(2, 3, 3).contiguous()
    assert torch.func.vmap(draw, randomness="different")(df, tril).shape == (2, 3, 3)
    value = 5 * COVARIANCE.float()
    mapped = torch.func.vmap(lambda df, tril: Wishart(df, scale_tril=tril, validate_args=False).log_prob(value))(df, tril)
    torch.testing.assert_close(mapped, Wishart(df, scale_tril=tril).log_prob(value))


def test_under_compile():
    df, tril = torch.tensor([3.5, 9.0], requires_grad=True), SCALE_TRIL.float().requires_grad_()
    sample = torch.compile(draw, fullgraph=True, backend="aot_eager")(df, tril)
    assert all(grad.isfinite().all() for grad in torch.autograd.grad(sample.sum(), (df, tril)))
    torch.testing.assert_close(sample, sample.mT)
