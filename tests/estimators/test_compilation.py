from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.distributions import Distribution, Independent

from irg_experiments.estimators import Estimator
from irg_experiments.implicit import Beta, Dirichlet, Gamma, VonMises
from tests.options import build
from tests.statistics import seed


def dirichlet(concentration: Tensor) -> Distribution:
    return Dirichlet(concentration * 1.0, validate_args=False)


def von_mises(concentration: Tensor) -> Distribution:
    angles = VonMises(torch.zeros_like(concentration), concentration * 1.0, validate_args=False)
    return Independent(angles, 1, validate_args=False)


@pytest.mark.parametrize("baseline", ["none", "constant", "leave_one_out", "auto", "moving_average"])
@pytest.mark.parametrize("method", ["rsvi", "generalized", "score_function"])
def test_baselines_are_traced_as_one_graph(method: str, baseline: str):
    """Over three calls, through which a moving average goes on."""
    concentration = torch.linspace(0.2, 3.0, 20).reshape(4, 5).requires_grad_()
    constant = 40.0 if baseline == "constant" else None
    results = []
    for compiled in (False, True):
        estimator = build("method", method, baseline=baseline, constant=constant)

        def loss(estimator: Estimator = estimator) -> Tensor:
            return estimator.expectation(lambda z: 50 + z[..., 0] + z[..., 1] ** 2, dirichlet(concentration), 3).sum()

        function = torch.compile(loss, fullgraph=True, backend="aot_eager") if compiled else loss
        seed(1)
        found = [torch.autograd.grad(function(), concentration)[0] for _ in range(3)]
        results.append((*found, *estimator.state_dict().values()))
    torch.testing.assert_close(results[0], results[1], rtol=1e-3, atol=1e-3)


# finite_difference and knowles can be traced as well, but take seconds
@pytest.mark.parametrize(
    ("method", "family"),
    [
        *((method, dirichlet) for method in ("implicit", "rsvi", "generalized", "score_function", "pathwise_omt")),
        ("rsvi", von_mises),
    ],
)
def test_traced_as_one_graph_and_eager_agree(method: str, family: Callable[[Tensor], Distribution]):
    estimator = build("method", method)
    concentration = torch.linspace(0.2, 3.0, 20).reshape(4, 5).requires_grad_()

    def loss() -> Tensor:
        return estimator.expectation(lambda z: z[..., 0] + z[..., 1] ** 2, family(concentration)).sum()

    results = []
    for function in (loss, torch.compile(loss, fullgraph=True, backend="aot_eager")):
        seed(1)
        value = function()
        results.append((value.detach(), *torch.autograd.grad(value, concentration)))
    torch.testing.assert_close(results[0], results[1], rtol=1e-3, atol=1e-4)


def test_other_families_do_not_recompile_a_trace():
    """Also if the first call of all is the compiled one, as in training."""
    estimator = build("method", "generalized")
    concentration = torch.linspace(0.2, 3.0, 20).reshape(4, 5)

    def loss() -> Tensor:
        return estimator.expectation(lambda z: z[..., 0], dirichlet(concentration)).sum()

    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    compiled()
    for family in (Gamma, Beta):
        estimator.expectation(lambda z: z, family(concentration, concentration))
    with torch.compiler.set_stance("fail_on_recompile"):
        compiled()
