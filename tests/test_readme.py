"""The README says what the records say."""

import json
import math
import re
import statistics
import textwrap
import types
from pathlib import Path
from typing import Any

import scipy.stats
import torch

from irg_experiments.results.report import GENERATED, main
from tests.benchmarks.core import METHODS, RECORD, provides, with_tables
from tests.implicit import registry
from tests.implicit.registry import REGISTRY

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"


CORE = ROOT / "outputs" / "reference" / "core.md"


def test_tables_of_the_core_are_those_of_the_benchmark():
    record = json.loads(RECORD.read_text())
    assert with_tables(CORE.read_text(), record) == CORE.read_text()
    assert set(record["distributions"]) == set(REGISTRY)
    for name, entry in record["distributions"].items():
        q = REGISTRY[name].grid_distribution()
        assert entry["methods"] == [method for method in METHODS if provides(q, method)], name


def test_the_readme_and_the_pages_show_what_the_records_say(tmp_path: Path):
    reference = ROOT / "outputs" / "reference"
    pages = [README, *reference.glob("*.md")]
    generated = [page for page in pages if GENERATED in page.read_text()]
    assert len(generated) >= 5
    copies = [tmp_path / page.name for page in generated]
    for page, copy in zip(generated, copies, strict=True):
        copy.write_text(page.read_text())
    main([str(reference), "--update", *map(str, copies)])
    for page, copy in zip(generated, copies, strict=True):
        assert copy.read_text() == page.read_text(), f"{page.name} is not what irg-report --update writes"


def test_links_of_the_pages_lead_to_files():
    folders = (ROOT / "docs", ROOT / "outputs" / "reference")
    for page in (README, ROOT / "CONTRIBUTING.md", *(page for folder in folders for page in folder.glob("*.md"))):
        for link in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_example_of_a_distribution_works():
    section = (ROOT / "CONTRIBUTING.md").read_text().partition("### A distribution")[2].partition("\n### ")[0]
    source, row = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    names: dict[str, Any] = {"__name__": "rayleigh"}
    exec(textwrap.dedent(source), names)
    scale = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)
    q = names["Rayleigh"](scale)
    sample = q.rsample((20_000,))
    (grad,) = torch.autograd.grad(sample.sum(), scale)
    # z is proportional to σ, so that dz/dσ = z/σ
    torch.testing.assert_close(grad, (sample.detach() / scale.detach()).sum(0))
    peer = scipy.stats.rayleigh(scale=scale.detach().numpy())
    for ours, theirs in ((q.mean, peer.mean()), (q.variance, peer.var()), (q.entropy(), peer.entropy())):
        torch.testing.assert_close(ours.detach(), torch.tensor(theirs))
    assert q.expand((3, 2)).rsample().shape == (3, 2)
    implicit = types.SimpleNamespace(Rayleigh=names["Rayleigh"])
    made = eval("{" + textwrap.dedent(row) + "}", {**vars(registry), "implicit": implicit})["Rayleigh"]
    assert made.grid_distribution().batch_shape == (3,)


def test_the_gradient_variances_are_those_of_the_evaluations():
    path = ROOT / "outputs/reference/vae/mnist-von_mises-10-implicit-paper-seed0-ffc2ff74/evaluations.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    page = " ".join((ROOT / "outputs/reference/vae.md").read_text().split())
    rsvi, score_function = (
        [
            statistics.geometric_mean(
                row[f"gradient_variance_{name}{baseline}"] / row["gradient_variance_implicit"] for row in rows
            )
            for baseline in ("", "_baseline_moving_average")
        ]
        for name in ("rsvi", "score_function")
    )
    assert f"RSVI has {rsvi[0]:.1f} times the implicit gradient's variance, and {rsvi[1]:.1f} times with the baseline" in page
    assert f"the score function has {score_function[0]:,.0f} times, and {score_function[1]:.0f} times with it" in page


def lda_records(data: str, *labels: str) -> list[dict[str, Any]]:
    """Of the paper's budget, without those that measured variances."""
    found = [json.loads(path.read_text()) for path in sorted((ROOT / "outputs/reference/lda").glob(f"{data}-*/record.json"))]
    found = [it for it in found if it["budget"] == "paper" and not it["config"].get("gradient_variance", {}).get("methods")]
    return [it for it in found if it["method_label"] in labels]


def page_of_lda() -> str:
    return " ".join((ROOT / "outputs/reference/lda.md").read_text().split())


def listed(label: str) -> str:
    """Test perplexities on the subset of RCV1 by seed, as a sentence has them."""
    first, second, third = (f"{it['metrics']['test_perplexity']:.0f}" for it in by_seed(label))
    return f"{first}, {second} and {third}"


def by_seed(label: str) -> list[dict[str, Any]]:
    return sorted(lda_records("rcv1_subset", label), key=lambda it: it["seed"])


def test_the_comparison_with_svi_is_that_of_the_records():
    page = page_of_lda()
    stated = {
        ("SVI, learned prior", "test_perplexity"): "17 lower than that of implicit gradients (1.7 standard errors)",
        ("SVI, learned prior", "test_perplexity_corpus"): "corpus-level one 42 lower (3.6)",
        ("SVI", "test_perplexity"): "its perplexity is 108 higher (15.5)",
        ("SVI", "test_perplexity_corpus"): "is not different (1.4)",
    }
    for (label, metric), words in stated.items():
        assert words in page
        svi, implicit = ([it["metrics"][metric] for it in lda_records("newsgroups", name)] for name in (label, "implicit"))
        difference = abs(statistics.fmean(svi) - statistics.fmean(implicit))
        error = math.sqrt(statistics.variance(svi) / len(svi) + statistics.variance(implicit) / len(implicit))
        numbers = re.findall(r"[\d.]+", words)
        assert [f"{difference:.0f}", f"{difference / error:.1f}"][-len(numbers) :] == numbers


def test_what_is_said_of_the_subset_of_rcv1_is_what_the_records_say():
    page = page_of_lda()
    for words in (
        f"at {listed('RSVI, B = 20')} with B = 20, at {listed('RSVI, B = 10')} with B = 10",
        f"with priors of 1/K it ends at {listed('SVI')}",
        f"with a learned prior at {listed('SVI, learned prior')}",
    ):
        assert words in page
    for label, (words, sign) in {
        "explicit": ("LN-LDA {} higher than implicit gradients ({} standard errors)", 1),
        "SVI": ("{} higher than implicit gradients ({} standard errors)", 1),
        "SVI, learned prior": ("{} lower ({}): no difference", -1),
    }.items():
        other, implicit = ([it["metrics"]["test_perplexity"] for it in by_seed(name)] for name in (label, "implicit"))
        difference = sign * (statistics.fmean(other) - statistics.fmean(implicit))
        error = math.sqrt(statistics.variance(other) / len(other) + statistics.variance(implicit) / len(implicit))
        assert words.format(f"{difference:.0f}", f"{difference / error:.1f}") in page


def test_runs_on_the_subset_of_rcv1_that_learned_nothing_are_told():
    """Their posterior is the prior."""
    page = page_of_lda()
    assert (
        "RSVI with B = 10 ends there with two seeds of three, with B = 5 with one, and the score function with every seed"
        in page
    )
    labels = ("implicit", "pathwise (OMT)", "explicit", "score function", *(f"RSVI, B = {b}" for b in (1, 5, 10, 20)))
    without = {label: [it["seed"] for it in by_seed(label) if it["metrics"]["test_kl"] < 0.1] for label in labels}
    numbers = {label: len(seeds) for label, seeds in without.items() if seeds}
    assert numbers == {"RSVI, B = 5": 1, "RSVI, B = 10": 2, "score function": 3}
    for label, seeds in without.items():
        for record in by_seed(label):
            if record["seed"] in seeds:
                assert 1873.5 < record["metrics"]["test_perplexity"] < 1875.5


def test_the_last_steps_on_the_subset_of_rcv1_are_those_of_the_evaluations():
    falls: dict[str, list[float]] = {}
    for label in ("implicit", "RSVI, B = 5", "RSVI, B = 10"):
        for record in by_seed(label):
            folder = f"rcv1_subset-lda-{record['method']}-paper-seed{record['seed']}-{record['identity']}"
            lines = (ROOT / "outputs/reference/lda" / folder / "evaluations.jsonl").read_text().splitlines()
            at = {row["step"]: row["test_perplexity"] for row in map(json.loads, lines) if "test_perplexity" in row}
            falls.setdefault(label, []).append(at[170_000] - at[180_000])
    rsvi = max(max(falls[f"RSVI, B = {b}"]) for b in (5, 10))
    words = "perplexity of implicit gradients falls by {:.0f} to {:.0f}, and with RSVI and B = 5 or 10 by up to {:.0f}"
    assert words.format(min(falls["implicit"]), max(falls["implicit"]), rsvi) in page_of_lda()


def test_the_perplexity_of_the_model_that_made_bars_is_that_of_the_record():
    (path,) = (ROOT / "outputs/reference/lda").glob("bars-*/record.json")
    best = json.loads(path.read_text())["metrics"]["true_model_perplexity"]
    assert f"the perplexity of the model that made it is {best:.2f}" in page_of_lda()


def test_the_gradient_variances_of_lda_are_those_of_the_evaluations():
    page = page_of_lda()
    (path,) = (ROOT / "outputs/reference/lda").glob("newsgroups-lda-implicit-paper-seed0-65ee73b6/evaluations.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()]

    def ratios(method: str, first: int = 0, last: int = 180_000) -> list[str]:
        chosen = [row for row in rows if first < row["step"] <= last]
        found = [row[f"gradient_variance_{method}"] / row["gradient_variance_implicit"] for row in chosen]
        return [rounded(min(found)), rounded(max(found))]

    def rounded(ratio: float) -> str:
        return f"{float(f'{ratio:.1e}'):g}" if ratio < 1000 else f"{ratio:.0e}".replace("+0", "").replace("+", "")

    twenty = "rsvi_augmentation_20"
    for words, (least, most) in {
        "begins at {} to {} times": ratios(twenty, 0, 30_000),
        "has {} to {} times until": ratios(twenty, 30_000, 120_000),
        "and {} to {} times after that": ratios(twenty, 120_000),
        "With B = 5 it has {} to {} times": ratios("rsvi_augmentation_5"),
        "with B = 1 {} to {} times": ratios("rsvi"),
        "of one sample {} to {} times": ratios("score_function"),
    }.items():
        assert words.format(least, most) in page
