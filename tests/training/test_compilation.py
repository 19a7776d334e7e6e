import logging

import pytest
import torch

from irg_experiments.data.bag_of_words import BagOfWords
from irg_experiments.implicit import Dirichlet, compilation
from irg_experiments.models.lda import LDA
from irg_experiments.training.compilation import loss_and_grad
from tests.benchmarks.lda_step import zipf_corpus

CPU = torch.device("cpu")


def test_without_a_compiler_it_runs_eagerly_and_says_so(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    monkeypatch.setattr(compilation.shutil, "which", lambda name: None)
    compilation._warn_of_no_compiler.cache_clear()
    weight = torch.tensor(3.0, requires_grad=True)
    with caplog.at_level(logging.WARNING):
        function = loss_and_grad(lambda x: x * weight**2, [weight], "auto", CPU)
    value, (grad,) = function(torch.tensor(2.0))
    assert (value.item(), grad.item(), value.requires_grad) == (18.0, 12.0, False)
    assert len(caplog.records) == 1
    assert "g++" in caplog.text


def test_compiled_and_eager_draw_the_same_samples():
    logits = torch.zeros(64, 5, requires_grad=True)

    def loss() -> torch.Tensor:
        return Dirichlet(logits.exp(), validate_args=False).rsample()[:, 0].sum()

    results = []
    for mode in ("off", "auto"):
        function = loss_and_grad(loss, [logits], mode, CPU)
        torch.manual_seed(1)
        results.append(function())
    torch.testing.assert_close(results[0], results[1])


@pytest.mark.cuda
def test_a_training_step_on_cuda_equals_the_one_on_the_cpu():
    corpus = zipf_corpus(200, 20, 64)
    gradients = []
    for name in ("cpu", "cuda"):
        device = torch.device(name)
        torch.manual_seed(2)
        model = LDA(200, 8, hidden=(32,)).to(device)

        def loss(batch: BagOfWords, model: LDA = model) -> torch.Tensor:
            terms = model.elbo(batch, lambda f, q, n: f(q.mean[None])[0])
            return (terms.kl - terms.log_likelihood).mean()

        function = loss_and_grad(loss, list(model.parameters()), "auto", device, varying=lambda batch: batch.entries)
        gradients.append([gradient.cpu() for gradient in function(corpus.to(device).slice(0, 32))[1]])
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


@pytest.mark.cuda
def test_draws_on_cuda_carry_their_gradients():
    concentration = torch.full((100_000, 3), 0.3, device="cuda", requires_grad=True)
    (grad,) = torch.autograd.grad(Dirichlet(concentration).rsample()[:, 0].sum(), concentration)
    # E[θ₀] = α₀/Σα; five standard errors of the 100,000 draws
    expected = torch.tensor([2.0, -1.0, -1.0]) * 0.3 / 0.9**2
    error = (grad.mean(0).cpu() - expected).abs() / (grad.std(0).cpu() / 100_000**0.5)
    assert error.max() < 5
