import pytest
import torch

from irg_experiments.estimators import ESTIMATORS
from irg_experiments.implicit import Dirichlet


# finite_difference and knowles can be traced as well, but take seconds
@pytest.mark.parametrize("method", ["implicit", "rsvi", "generalized", "score_function", "pathwise_omt"])
def test_traced_as_one_graph_and_eager_agree(method: str):
    estimator = ESTIMATORS[method]()
    concentration = torch.linspace(0.2, 3.0, 20).reshape(4, 5).requires_grad_()

    def loss() -> torch.Tensor:
        q = Dirichlet(concentration * 1.0, validate_args=False)
        return estimator.expectation(lambda theta: theta[..., 0] + theta[..., 1] ** 2, q).sum()

    results = []
    for function in (loss, torch.compile(loss, fullgraph=True, backend="aot_eager")):
        torch.manual_seed(1)
        value = function()
        results.append((value.detach(), *torch.autograd.grad(value, concentration)))
    torch.testing.assert_close(results[0], results[1], rtol=1e-3, atol=1e-4)
