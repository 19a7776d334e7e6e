"""The README says what the records say."""

import json
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
    for dim, stated in ((10, "7.0"), (2, "1.0")):
        (path,) = (ROOT / "outputs/reference/vae").glob(f"mnist-von_mises-{dim}-implicit-paper-seed0-*/evaluations.jsonl")
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        ratios = [row["gradient_variance_rsvi"] / row["gradient_variance_implicit"] for row in rows]
        assert f"{statistics.geometric_mean(ratios):.1f}" == stated
        assert re.search(rf"\b{stated} times", (ROOT / "outputs/reference/vae.md").read_text())
