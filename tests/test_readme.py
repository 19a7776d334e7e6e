"""The README says what the records say."""

import json
import re
import textwrap
from pathlib import Path

import torch

from irg_experiments.implicit import reparameterize
from irg_experiments.implicit.distributions.base import Reparameterizable
from irg_experiments.implicit.sampling import standard_normal
from tests.benchmarks.core import RECORD, with_tables
from tests.implicit.registry import REGISTRY

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"


def test_tables_of_the_core_are_those_of_the_benchmark():
    record = json.loads(RECORD.read_text())
    assert with_tables(README.read_text(), record) == README.read_text()
    assert set(record["distributions"]) == set(REGISTRY)


def test_the_example_of_a_distribution_works():
    (source,) = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    names = {
        "Reparameterizable": Reparameterizable,
        "Size": torch.Size,
        "Tensor": torch.Tensor,
        "_size": torch.Size,
        "constraints": torch.distributions.constraints,
        "reparameterize": reparameterize,
        "standard_normal": standard_normal,
        "torch": torch,
    }
    exec(textwrap.dedent(source), names)
    scale = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)
    sample = names["Rayleigh"](scale).rsample((20_000,))
    (grad,) = torch.autograd.grad(sample.sum(), scale)
    # z is proportional to σ, so that dz/dσ = z/σ
    torch.testing.assert_close(grad, (sample.detach() / scale.detach()).sum(0))
