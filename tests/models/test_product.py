"""Products of latent spaces, against their parts."""

from typing import Any

import pytest
import torch
import torch.distributions as td
from torch import Tensor

from irg_experiments.config.components import Component
from irg_experiments.config.identity import identity
from irg_experiments.config.latent_space import LatentSpace
from irg_experiments.config.tree import ConfigTree
from irg_experiments.config.validation import Section, validate
from irg_experiments.data.images import binarize
from irg_experiments.errors import UserError
from irg_experiments.estimators import Implicit
from irg_experiments.implicit import Beta, Normal, VonMisesFisher
from irg_experiments.models.latents import (
    ConcreteLatent,
    DirichletLatent,
    GammaLatent,
    Latent,
    NormalLatent,
    ProductLatent,
    VonMisesFisherLatent,
    VonMisesLatent,
)
from irg_experiments.models.latents.product import Blockwise
from irg_experiments.models.vae import VAE
from tests.compiler import assert_compiled_equals_eager
from tests.options import build
from tests.statistics import assert_mean, seed


def parts() -> list[Latent]:
    return [
        VonMisesLatent(2, concentration=0.0),
        VonMisesFisherLatent(2),
        DirichletLatent(2, concentration=1.0),
        NormalLatent(1),
    ]


def outputs_of(latent: Latent, number: int = 4) -> Tensor:
    return torch.randn(number, latent.num_parameters)


def test_what_it_has_is_what_its_parts_have():
    own = parts()
    product = ProductLatent(own)
    assert (product.dim, product.num_parameters, product.code_size) == (7, 6 + 4 + 3 + 2, 4 + 3 + 3 + 1)
    outputs = outputs_of(product)
    q = product.posterior(outputs)
    each = [part.posterior(given) for part, given in zip(own, outputs.split([6, 4, 3, 2], -1), strict=True)]
    z = q.rsample((5,))
    assert z.shape == (5, 4, 2 + 3 + 3 + 1)
    pieces = z.split([2, 3, 3, 1], -1)
    torch.testing.assert_close(q.log_prob(z), sum(it.log_prob(piece) for it, piece in zip(each, pieces, strict=True)))
    prior = sum(part.prior.log_prob(piece) for part, piece in zip(own, pieces, strict=True))
    torch.testing.assert_close(product.prior.log_prob(z), prior)
    torch.testing.assert_close(product.kl(q), sum(part.kl(it) for part, it in zip(own, each, strict=True)))
    codes = [part.code(piece) for part, piece in zip(own, pieces, strict=True)]
    torch.testing.assert_close(product.code(z), torch.cat(codes, -1))
    means = [part.mean(it) for part, it in zip(own, each, strict=True)]
    torch.testing.assert_close(product.mean(q), torch.cat(means, -1))


def test_each_unit_varies_as_that_of_its_part():
    """Two angles of two inputs each, a sphere and a simplex of three, and a number."""
    own = parts()
    product = ProductLatent(own)
    q = product.posterior(outputs_of(product, 50))
    units, variance = product.units(q), product.prior_variance()
    assert units.shape == (50, 5, 3)
    assert variance.shape == (5,)
    expected = [part.units(it).var(0).sum(-1) for part, it in zip(own, q.distributions, strict=True)]
    torch.testing.assert_close(units.var(0).sum(-1), torch.cat(expected))
    torch.testing.assert_close(variance, torch.tensor([1.0, 1.0, 1.0, 3.0, 1.0]))


def test_the_gradient_of_each_block_is_that_of_its_distribution():
    """The same draws, as the blocks are drawn one after the other."""
    concentration = torch.rand(3, 2, requires_grad=True)
    loc = torch.randn(3, 1, requires_grad=True)
    blocks = [td.Independent(Beta(concentration, concentration + 1), 1), td.Independent(Normal(loc, loc.detach().exp()), 1)]
    seed(1)
    joint = Blockwise(blocks).rsample((6,))
    seed(1)
    apart = torch.cat([block.rsample((6,)) for block in blocks], -1)
    torch.testing.assert_close(joint, apart)
    found, expected = (torch.autograd.grad(z.square().sum(), (concentration, loc)) for z in (joint, apart))
    torch.testing.assert_close(found, expected)


def test_blockwise_is_a_distribution_like_the_others():
    blocks = [td.Independent(Normal(torch.zeros(2), torch.ones(2)), 1), VonMisesFisher(torch.eye(3)[0], torch.tensor(2.0))]
    q = Blockwise(blocks)
    assert (q.batch_shape, q.event_shape) == ((), (5,))
    generator = torch.Generator().manual_seed(3)
    first = q.sample((4,), generator)
    assert torch.equal(first, q.rsample((4,), generator.manual_seed(3)))
    assert not torch.equal(first, q.sample((4,)))
    wide = q.expand((6, 4))
    assert wide.sample((2,)).shape == (2, 6, 4, 5)
    torch.testing.assert_close(wide.log_prob(first), q.log_prob(first).expand(6, 4))
    with pytest.raises(ValueError, match=r"one batch shape, not \(\), \(2,\)"):
        Blockwise([blocks[0], td.Independent(Normal(torch.zeros(2, 2), torch.ones(2, 2)), 1)])


def test_a_part_without_a_divergence_in_closed_form_leaves_all_of_it_to_samples():
    product = ProductLatent([NormalLatent(1), ConcreteLatent(1, classes=3, temperature=0.7, prior_temperature=0.5)]).double()
    assert product.kl(product.posterior(outputs_of(product).double())) is None
    near = product.posterior(outputs := 0.3 * outputs_of(product).double())
    q = product.posterior(outputs + 0.1 * torch.randn_like(outputs))
    z = q.sample((100_000,))
    assert_mean((near.log_prob(z) - q.log_prob(z)).exp(), 1.0)


def test_the_limits_are_those_of_all_parts():
    product = ProductLatent([GammaLatent(1, 1.0, 1.0), NormalLatent(1)])
    VAE(4, product, hidden=[3], limits=(0.5, 2.0))
    assert product.limits == (0.5, 2.0)
    gamma, normal = product.posterior(torch.full((1, 4), 100.0)).distributions
    assert gamma.base_dist.rate == normal.base_dist.scale == 2.0


def test_a_product_may_be_a_part():
    inner = ProductLatent([VonMisesLatent(1, 0.0), NormalLatent(1)])
    product = ProductLatent([inner, NormalLatent(2)])
    q = product.posterior(outputs_of(product))
    assert product.code(q.rsample((3,))).shape == (3, 4, 5)
    assert product.units(q).shape == (4, 4, 2)
    assert product.prior_variance().shape == (4,)


def test_a_part_whose_samples_have_no_implicit_gradient_is_refused():
    class OfTorch(NormalLatent):
        family = td.Normal

    with pytest.raises(ValueError, match="OfTorch cannot be a part: its Normal has no implicit gradient"):
        ProductLatent([NormalLatent(1), OfTorch(1)])


def test_options_of_the_parts_are_those_of_their_files_unless_given():
    product = build("latent", "product", dim=4, parts=["gamma_10:1", {"name": "gamma", "dim": 3, "rate": 2.0}])
    first, second = product.parts
    assert (first.dim, first.rate.item(), second.dim) == (1, 10.0, 3)
    assert second.concentration.tolist() == pytest.approx([0.3] * 3)
    assert second.rate.tolist() == [2.0] * 3


class Config(Section):
    latent: LatentSpace


def of(latent: dict[str, Any]) -> Config:
    return validate(Config, {"latent": {**ConfigTree().load("latent", "product"), **latent}}, tree=ConfigTree())


def test_the_dimension_is_that_of_the_parts():
    assert of({}).latent.dim == 6
    assert of({"parts": ["normal:3", "beta:4"]}).latent.dim == 7
    assert of({"dim": 6}).latent.dim == 6
    with pytest.raises(UserError, match=r"latent\.dim must be 6, the dimensions of latent\.parts together, or null, not 5\."):
        of({"dim": 5})
    with pytest.raises(UserError, match=r"latent=product: latent\.dim must be 3, .* not 2\."):
        build("latent", "product", dim=2, parts=["normal:3"])


def test_a_hash_covers_the_options_of_the_parts_but_not_how_they_are_written():
    changed = {"name": "von_mises", "dim": 1, "concentration": 10.0}
    same = {"name": "von_mises", "dim": 1}
    assert identity(of({"parts": [same, "normal:3", "beta:2"]})) == identity(of({})) == identity(of({"dim": 6}))
    assert identity(of({"parts": [changed, "normal:3", "beta:2"]})) != identity(of({}))
    assert identity(of({"parts": ["normal:3", "von_mises:1", "beta:2"]})) != identity(of({}))
    assert "parts" not in LatentSpace(**ConfigTree().load("latent", "normal")).options
    assert isinstance(of({}).latent.options["parts"][0], Component)


@pytest.mark.compiler
def test_a_compiled_training_step_equals_the_eager_one():
    model = VAE(16, ProductLatent([GammaLatent(1, 1.0, 1.0), NormalLatent(2)]), hidden=())
    parameters, estimator = list(model.parameters()), Implicit()
    pixels = torch.randint(256, (32, 16), dtype=torch.uint8)

    def loss(pixels: Tensor, kl_weight: Tensor) -> Tensor:
        return -model.bound(binarize(pixels), kl_weight, estimator.expectation).mean()

    assert_compiled_equals_eager(loss, parameters, pixels, torch.tensor(0.5))
