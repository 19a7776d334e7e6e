"""Every distribution works in Pyro once Pyro's mixin is added to its bases; docs/examples.md has variational inference."""

import pytest
import torch
from torch import Tensor
from torch.distributions import Distribution, Independent

from tests.implicit.registry import REGISTRY, Row
from tests.statistics import seed

pyro = pytest.importorskip("pyro", reason="Pyro is not installed (pip install 'irg-experiments[pyro]')")
COPIES = 5
every_row = pytest.mark.parametrize("row", REGISTRY.values(), ids=REGISTRY)


def with_mixin(q: Distribution) -> Distribution:
    """The same distribution, of a class that has Pyro's mixin among its bases."""
    from pyro.distributions.torch_distribution import TorchDistributionMixin

    new = object.__new__(type(type(q).__name__, (type(q), TorchDistributionMixin), {}))
    vars(new).update(vars(q))
    return new


@every_row
def test_samples_in_a_plate_have_the_density_and_the_gradient_of_the_distribution(row: Row):
    parameters = [p.requires_grad_() for p in row.parameters()]

    def model() -> Tensor:
        q = with_mixin(row.make(*parameters))
        with pyro.plate("copies", COPIES):
            return pyro.sample("z", q.to_event(len(q.batch_shape)))

    def plainly() -> tuple[Tensor, Tensor]:
        q = row.make(*parameters)
        z = q.rsample((COPIES,))
        return z, Independent(q, len(q.batch_shape)).log_prob(z.detach()).sum()

    seed()
    trace = pyro.poutine.trace(model).get_trace()
    trace.compute_log_prob()
    seed()
    z, log_prob = plainly()
    torch.testing.assert_close(trace.nodes["z"]["value"], z)
    torch.testing.assert_close(trace.nodes["z"]["log_prob"].sum(), log_prob)
    found, expected = (
        torch.autograd.grad(it.sum(), parameters, allow_unused=True) for it in (trace.nodes["z"]["value"] ** 2, z**2)
    )
    assert any(grad is not None for grad in expected)
    torch.testing.assert_close([it for it in found if it is not None], [it for it in expected if it is not None])


@every_row
def test_it_expands_and_can_be_masked(row: Row):
    q = with_mixin(row.grid_distribution())
    expanded = q.expand_by([COPIES])
    assert expanded.batch_shape == (COPIES, *q.batch_shape)
    assert type(expanded) is type(q)
    z = expanded()
    assert z.shape == expanded.shape()
    assert (expanded.mask(torch.tensor(False)).log_prob(z) == 0).all()
    torch.testing.assert_close(expanded.mask(torch.tensor(True)).log_prob(z), expanded.log_prob(z))
