import pytest
import torch

from irg_experiments.data.bag_of_words import BagOfWords
from irg_experiments.errors import UserError
from irg_experiments.estimators import ScoreFunction
from irg_experiments.implicit import Dirichlet, Normal
from irg_experiments.models.lda import LDA
from irg_experiments.training import compilation
from irg_experiments.training.compilation import loss_and_grad
from tests.benchmarks.lda_step import zipf_corpus
from tests.statistics import assert_mean, seed

CPU = torch.device("cpu")


def square(weight: torch.Tensor, compiled: bool) -> compilation.LossAndGrad:
    return loss_and_grad(lambda x: x * weight**2, [weight], compiled, CPU)


def test_loss_and_gradient_are_detached():
    value, (grad,) = square(torch.tensor(3.0, requires_grad=True), False)(torch.tensor(2.0))
    assert (value.item(), grad.item(), value.requires_grad) == (18.0, 12.0, False)


def test_compiling_without_a_compiler_is_a_user_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(compilation, "can_compile", lambda device: False)
    with pytest.raises(UserError, match=r"compile=off"):
        square(torch.tensor(3.0, requires_grad=True), True)


@pytest.mark.compiler
def test_compiled_and_eager_draw_the_same_samples():
    logits = torch.zeros(64, 5, requires_grad=True)

    def loss() -> torch.Tensor:
        return Dirichlet(logits.exp(), validate_args=False).rsample()[:, 0].sum()

    results = []
    for compiled in (False, True):
        function = loss_and_grad(loss, [logits], compiled, CPU)
        seed(1)
        results.append(function())
    torch.testing.assert_close(results[0], results[1])


@pytest.mark.compiler
def test_a_moving_average_goes_on_in_compiled_code():
    """Over three calls: the second is the first that subtracts a mean."""
    logits, results = torch.zeros(64, 3, requires_grad=True), []
    for compiled in (False, True):
        estimator = ScoreFunction(baseline="moving_average")

        def loss(estimator: ScoreFunction = estimator) -> torch.Tensor:
            q = Normal(logits, torch.ones_like(logits), validate_args=False)
            return estimator.expectation(lambda z: (z + 10).square(), q).sum()

        function = loss_and_grad(loss, [logits], compiled, CPU, fixed=not estimator.has_state)
        seed(1)
        results.append([function()[1][0] for _ in range(3)])
    torch.testing.assert_close(results[1], results[0], rtol=1e-4, atol=1e-3)
    assert results[0][0].norm() > 3 * results[0][2].norm()


@pytest.mark.compiler
def test_fixed_code_takes_arguments_of_other_shapes_and_types():
    weight = torch.tensor(3.0, requires_grad=True)
    function = loss_and_grad(lambda x, flag: (x * weight if flag else x + weight).sum(), [weight], True, CPU, fixed=True)
    for x in (torch.ones(2), torch.ones(5, 2), torch.ones(4, dtype=torch.float64)):
        assert function(x, True)[1][0].item() == x.numel()
        assert function(x, False)[0].item() == 4 * x.numel()


@pytest.mark.compiler
def test_two_fixed_functions_are_told_apart():
    weight = torch.tensor(3.0, requires_grad=True)
    first, second = (
        loss_and_grad(lambda x, power=power: x * weight**power, [weight], True, CPU, fixed=True) for power in (1, 2)
    )
    for _ in range(2):
        assert [function(torch.tensor(2.0))[0].item() for function in (first, second)] == [6.0, 18.0]


@pytest.mark.cuda
def test_a_training_step_on_cuda_equals_the_one_on_the_cpu():
    corpus = zipf_corpus(200, 20, 64)
    gradients = []
    for name in ("cpu", "cuda"):
        device = torch.device(name)
        seed(2)
        model = LDA(200, 8, hidden=[32]).to(device)

        def loss(batch: BagOfWords, model: LDA = model) -> torch.Tensor:
            terms = model.elbo(batch, lambda f, q, n: f(q.mean[None])[0])
            return (terms.kl - terms.log_likelihood).mean()

        parameters = list(model.parameters())
        compiled = compilation.can_compile(device)
        function = loss_and_grad(loss, parameters, compiled, device, varying=lambda batch: (*batch.entries, batch.present))
        gradients.append([gradient.cpu() for gradient in function(corpus.to(device).slice(0, 32))[1]])
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


@pytest.mark.cuda
def test_draws_on_cuda_carry_their_gradients():
    concentration = torch.full((100_000, 3), 0.3, device="cuda", requires_grad=True)
    (grad,) = torch.autograd.grad(Dirichlet(concentration).rsample()[:, 0].sum(), concentration)
    # E[θ₀] = α₀/Σα
    assert_mean(grad.cpu(), torch.tensor([2.0, -1.0, -1.0]) * 0.3 / 0.9**2)
