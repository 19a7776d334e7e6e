"""The committed tables as tensors, with the function of the package that each is compared with."""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from irg_experiments.implicit import special

SECTIONS = {"gamma_sample_grad": "sample", "log_gamma_sample_grad": "log_sample"}


def table(name: str, section: str | None = None) -> list[Tensor]:
    """The columns of a table, or of one section of it, in float64."""
    content = json.loads((Path(__file__).parent / f"{name}.json").read_text())
    rows = content[section] if section else content
    return list(torch.tensor([[float(value) for value in row] for row in rows], dtype=torch.float64).T)


def sample_grad_truth(name: str, function: str) -> tuple[list[Tensor], Tensor, Callable[..., Tensor]]:
    """The arguments of a sample derivative, its values, and the function itself."""
    if name == "von_mises_fisher":
        dimension, concentration, w, expected = table(name)[:4]
        return [dimension, concentration, w], expected, _in_each_dimension
    parameter, z, expected = table(name, SECTIONS.get(function))[:3]
    if function == "log_gamma_sample_grad":  # d ln z/da = (dz/da)/z, where z is within the range of floats
        shape, sample, grad = table(name, SECTIONS["gamma_sample_grad"])[:3]
        held = sample > torch.finfo(torch.float64).tiny
        pairs = zip((parameter, z, expected), (shape, sample.log(), grad / sample), strict=True)
        parameter, z, expected = (torch.cat([own, more[held]]) for own, more in pairs)
    return [parameter, z], expected, getattr(special, function)


def _in_each_dimension(dimension: Tensor, concentration: Tensor, w: Tensor) -> Tensor:
    grad = torch.empty_like(w)
    for value in dimension.unique():
        chosen = dimension == value
        grad[chosen] = special.von_mises_fisher.von_mises_fisher_sample_grad(concentration[chosen], w[chosen], int(value))
    return grad
