"""The inverse Wishart distribution against SciPy, closed forms and the Wishart distribution."""

import pytest
import scipy.stats
import torch

from irg_experiments.implicit.distributions.inverse_wishart import InverseWishart
from irg_experiments.implicit.distributions.wishart import Wishart
from tests.statistics import DRAWS, assert_law, assert_mean

SCALE_TRIL = torch.tensor([[1.0, 0.0, 0.0], [0.5, 2.0, 0.0], [-1.0, 0.3, 0.7]], dtype=torch.float64)
SCALE = SCALE_TRIL @ SCALE_TRIL.mT


def scalar(value: float) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("df", [3.0, 7.5, 200.0])
def test_density_and_moments_against_scipy(df: float):
    ours, theirs = InverseWishart(scalar(df), scale_tril=SCALE_TRIL), scipy.stats.invwishart(df, SCALE.numpy())
    value = ours.sample((10,))
    expected = torch.tensor([theirs.logpdf(x.numpy()) for x in value], dtype=torch.float64)
    torch.testing.assert_close(ours.log_prob(value).detach(), expected, rtol=1e-11, atol=1e-9)
    torch.testing.assert_close(ours.mode.detach(), torch.tensor(theirs.mode()))
    if df > 6:
        torch.testing.assert_close(ours.mean.detach(), torch.tensor(theirs.mean()))
        torch.testing.assert_close(ours.variance.detach(), torch.tensor(theirs.var()))
    else:
        assert ours.mean.isnan().all()
        assert ours.variance.isnan().all()
    assert_mean(-ours.log_prob(ours.sample((DRAWS,))), ours.entropy())  # SciPy's entropy is that only for p = 1


def test_the_three_matrices_are_one():
    reference = InverseWishart(5.0, scale_tril=SCALE_TRIL)
    for other in (InverseWishart(5.0, SCALE), InverseWishart(5.0, precision_matrix=SCALE.inverse())):
        for name in ("scale_tril", "scale_matrix", "precision_matrix"):
            torch.testing.assert_close(getattr(other, name), getattr(reference, name))
    for arguments in ((), (SCALE, SCALE)):
        with pytest.raises(ValueError, match="exactly one"):
            InverseWishart(5.0, *arguments)
    with pytest.raises(ValueError, match="two dimensions"):
        InverseWishart(5.0, SCALE[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale_matrix": torch.tensor([[2.0, 0.5], [0.0, 2.0]])}, r"scale_matrix must be symmetric, but .* by 0.5: .*m.mT"),
        ({"precision_matrix": torch.tensor([[2.0, 0.5], [0.0, 2.0]])}, "precision_matrix must be symmetric"),
        ({"scale_matrix": torch.tensor([[1.0, 2.0], [2.0, 1.0]])}, "scale_matrix must be positive definite"),
        ({"scale_tril": torch.tensor([[1.0, 2.0], [0.0, 1.0]])}, "scale_tril must be lower triangular"),
    ],
)
def test_other_matrices_are_refused_with_the_reason(arguments: dict[str, torch.Tensor], message: str):
    with pytest.raises(ValueError, match=message):
        InverseWishart(5.0, **arguments, validate_args=True)


@pytest.mark.parametrize("df", [2.3, 4.0, 60.0])
def test_draws_are_inverse_wishart_draws(df: float):
    q = InverseWishart(scalar(df), scale_tril=SCALE_TRIL)
    factor = q.sample((DRAWS,)) if df > 3 else None
    tril = q.rsample_tril((DRAWS,)).detach()
    assert torch.equal(tril, tril.tril())
    # aᵀ Ψ a / aᵀ X a is χ²(df − p + 1), and bᵀ X⁻¹ b / bᵀ Ψ⁻¹ b is χ²(df)
    a = torch.tensor([0.3, -1.0, 2.0], dtype=torch.float64)
    assert_law((SCALE @ a @ a) / (tril.mT @ a).square().sum(-1), scipy.stats.chi2(df - 2).cdf)
    solved = torch.linalg.solve_triangular(tril, a.expand(DRAWS, 3).unsqueeze(-1), upper=False).square().sum((-2, -1))
    assert_law(solved / (a @ torch.cholesky_solve(a.unsqueeze(-1), SCALE_TRIL)), scipy.stats.chi2(df).cdf)
    if factor is not None:
        assert_law((SCALE @ a @ a) / (factor @ a @ a), scipy.stats.chi2(df - 2).cdf)


def test_gradients_of_expectations():
    # E[X⁻¹] = df Ψ⁻¹ and E[X] = Ψ/(df − p − 1)
    df = torch.full((DRAWS,), 9.0, dtype=torch.float64, requires_grad=True)
    tril = SCALE_TRIL.expand(DRAWS, 3, 3).clone().requires_grad_()
    sample = InverseWishart(df, scale_tril=tril, validate_args=False).rsample()
    one_df, one_tril = scalar(9.0), SCALE_TRIL.clone().requires_grad_()
    one = InverseWishart(one_df, scale_tril=one_tril)
    weight = torch.tensor([[1.0, -0.5, 0.2], [0.3, 0.7, 2.0], [1.0, 0.1, -1.0]], dtype=torch.float64)
    lower = torch.ones(3, 3).tril().bool()
    for function, expected in (
        ((weight * sample).sum(), (weight * one.mean).sum()),
        ((weight * sample.inverse()).sum(), (weight * one_df * one.precision_matrix).sum()),
    ):
        grads = torch.autograd.grad(function, (df, tril), retain_graph=True)
        d_df, d_tril = torch.autograd.grad(expected, (one_df, one_tril), retain_graph=True)
        assert_mean(grads[0], d_df)
        assert_mean(grads[1][:, lower], d_tril[lower])


def test_the_divergence_is_that_of_the_inverses():
    other = torch.tensor([[2.0, 0.0, 0.0], [0.1, 1.0, 0.0], [0.4, -0.3, 1.5]], dtype=torch.float64)
    inverse, same = [], []
    for df, tril in ((5.0, SCALE_TRIL), (8.5, other)):
        inverse.append(InverseWishart(df, scale_tril=tril))
        same.append(Wishart(df, precision_matrix=tril @ tril.mT))
    theirs = torch.distributions.kl_divergence(*same)
    torch.testing.assert_close(torch.distributions.kl_divergence(*inverse), theirs)


def test_nearly_singular_draws_in_float32():
    df = torch.full((2000,), 4.05, requires_grad=True)
    q = InverseWishart(df, scale_tril=torch.eye(5).expand(2000, 5, 5))
    sample = q.rsample()
    assert sample.isfinite().all()
    (grad,) = torch.autograd.grad(q.rsample_tril().sum(), df)
    assert grad.isfinite().all()
