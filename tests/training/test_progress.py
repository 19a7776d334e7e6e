import io
import math

from rich.console import Console

from irg_experiments.training.progress import TrainingProgress


def shown(terminal: bool, best: float) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=200)
    with TrainingProgress(100, 0, console) as progress:
        progress.update(50, 1.23456, {"test_perplexity": 880.2, "test_kl": 3.0}, best)
    return console.file.getvalue()


def test_the_best_metric_is_shown_beside_the_current_one():
    text = shown(True, 876.1)
    assert "50/100" in text
    assert "loss 1.235  perplexity 880.2 (best 876.1)" in text
    assert "kl" not in text


def test_before_there_is_a_best_metric():
    assert "perplexity 880.2" in shown(True, math.inf)
    assert "best" not in shown(True, math.inf)


def test_nothing_is_shown_without_a_terminal():
    assert shown(False, 1.0) == ""
