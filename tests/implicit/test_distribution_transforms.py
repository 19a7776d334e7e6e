"""Every distribution of the registry under torch.func, torch.compile and double differentiation."""

import torch
import torch.distributions as td
from torch import Tensor

from tests.implicit.registry import REGISTRY
from tests.implicit.selection import every, those
from tests.statistics import seed


@every
def test_under_vmap(name: str):
    row = REGISTRY[name]
    parameters = row.parameters()
    value = row.make(*parameters).sample()

    def log_prob(value: Tensor, *parameters: Tensor) -> Tensor:
        return row.make(*parameters, validate_args=False).log_prob(value)

    def sample(*parameters: Tensor) -> Tensor:
        return row.make(*parameters, validate_args=False).rsample((50,))

    torch.testing.assert_close(torch.func.vmap(log_prob)(value, *parameters), row.make(*parameters).log_prob(value))
    draws = torch.func.vmap(sample, randomness="different")(*parameters)
    q = row.make(*parameters)
    assert draws.shape == (len(row.grid), 50, *q.event_shape)
    assert q.support.check(draws.movedim(1, 0)).all()
    repeated = torch.func.vmap(lambda _: sample(*(p[0] for p in parameters)), randomness="different")(torch.arange(3))
    assert not torch.equal(repeated[0], repeated[1])


@every
def test_forward_and_reverse_mode_agree(name: str):
    row = REGISTRY[name]
    parameters = tuple(row.parameters())
    tangents = tuple(torch.randn_like(p) for p in parameters)

    def sample(*parameters: Tensor) -> Tensor:
        seed(1)
        return row.make(*parameters, validate_args=False).rsample()

    value, forward = torch.func.jvp(sample, parameters, tangents)
    again, pullback = torch.func.vjp(sample, *parameters)
    torch.testing.assert_close(again, value)
    torch.testing.assert_close(sample(*parameters), value)
    weight = torch.randn_like(value)
    reverse = sum((t * g).sum() for t, g in zip(tangents, pullback(weight), strict=True))
    torch.testing.assert_close((weight * forward).sum(), reverse)


@those(lambda row: row.gradient == "explicit")  # a seed does not hold an implicit sample: see test_second_derivatives.py
def test_second_derivatives_of_explicit_samples_are_right_or_refused(name: str):
    row = REGISTRY[name]
    weight = torch.randn_like(row.grid_distribution().sample())

    def gradient(*parameters: Tensor) -> tuple[Tensor, ...]:
        seed(1)
        sample = row.make(*parameters, validate_args=False).rsample()
        grads = torch.autograd.grad((weight * sample**2).sum(), parameters, create_graph=True, allow_unused=True)
        return tuple(torch.zeros_like(p) if g is None else g for p, g in zip(parameters, grads, strict=True))

    for index in range(len(row.grid[0])):
        parameters = row.parameters()
        parameters = [p.requires_grad_() for p in parameters]
        grad = gradient(*parameters)[index]
        if not grad.requires_grad:
            continue
        try:
            (second,) = torch.autograd.grad(grad.sum(), [parameters[index]])
        except NotImplementedError:
            continue
        # what may be differentiated twice is explicit: with the seed held, the sample is a smooth function of it
        ends, step = [], 1e-6
        for sign in (-1, 1):
            shifted = [p.detach().clone() for p in parameters]
            shifted[index] = shifted[index] + sign * step
            ends.append(gradient(*(p.requires_grad_() for p in shifted))[index])
        difference = (ends[1] - ends[0]).sum() / (2 * step)
        torch.testing.assert_close(second.sum(), difference, rtol=1e-4, atol=1e-4)


@every
def test_compiles_without_a_graph_break(name: str):
    row = REGISTRY[name]
    parameters = [p.requires_grad_() for p in row.parameters()]

    def objective(*parameters: Tensor) -> Tensor:
        q = row.make(*parameters, validate_args=False)
        sample = q.rsample((3,))
        return q.log_prob(sample.detach()).sum() + sample.sin().sum()

    torch._dynamo.reset()
    td.Distribution.set_default_validate_args(False)  # as torch.compile does when it is first used
    compiled = torch.compile(objective, fullgraph=True, backend="aot_eager")
    seed(1)
    expected = torch.autograd.grad(objective(*parameters), parameters, allow_unused=True)
    seed(1)
    grads = torch.autograd.grad(compiled(*parameters), parameters, allow_unused=True)
    for grad, other in zip(grads, expected, strict=True):
        if grad is not None and other is not None:
            torch.testing.assert_close(grad, other)


@every
def test_is_traced_once_for_all_batch_sizes(name: str):
    row = REGISTRY[name]

    def draw(*parameters: Tensor) -> tuple[Tensor, Tensor]:
        q = row.make(*parameters, validate_args=False)
        sample = q.rsample()
        return sample, q.log_prob(sample)

    td.Distribution.set_default_validate_args(False)  # as torch.compile does when it is first used
    traced = torch.compile(draw, fullgraph=True, dynamic=True, backend="eager")
    # sizes that no event has: torch takes equal ones for the same
    for copies, stance in ((7, "default"), (11, "fail_on_recompile")):
        parameters = [p.repeat(copies, *[1] * (p.dim() - 1)) for p in row.parameters()]
        seed(1)
        expected = draw(*parameters)
        seed(1)
        with torch.compiler.set_stance(stance):
            torch.testing.assert_close(traced(*parameters), expected)
