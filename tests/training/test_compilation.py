import logging

import pytest
import torch

from irg_experiments.implicit import Dirichlet
from irg_experiments.training import compilation
from irg_experiments.training.compilation import loss_and_grad

CPU = torch.device("cpu")


def test_without_a_compiler_it_runs_eagerly_and_says_so(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    monkeypatch.setattr(compilation.shutil, "which", lambda name: None)
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
