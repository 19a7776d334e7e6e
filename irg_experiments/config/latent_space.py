"""A latent space as a section of the config; it may be a product of others, each given as ``name:dim``."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from irg_experiments.config.components import Component, expanded
from irg_experiments.config.types import Count, Must
from irg_experiments.config.validation import Misfit

_NAMED = re.compile(r"([^:]+):(\d{1,9})")


def _parts(entries: Any, info: ValidationInfo) -> Any:
    """Each ``name:dim``, and each mapping with these two keys, as the options of its file; others are left to be refused."""
    if not isinstance(entries, list):
        return entries
    mappings = [_mapping(entry) for entry in entries]
    return entries if None in mappings else expanded("latent")(mappings, info)


def _mapping(entry: Any) -> Any:
    named = _NAMED.fullmatch(entry) if isinstance(entry, str) else None
    if named is not None:
        return {"name": named[1], "dim": int(named[2])}
    complete = isinstance(entry, LatentSpace) or (isinstance(entry, dict) and {"name", "dim"} <= entry.keys())
    return entry if complete else None


def _of_the_parts(dim: Any, info: ValidationInfo) -> Any:
    """Null is the sum of the parts."""
    if dim is not None or info.data.get("parts", ()) is None:
        return dim
    return sum(part.dim for part in info.data.get("parts", ())) or 1  # of parts that were refused, nothing more is told


def _fitting(dim: int, info: ValidationInfo) -> int:
    parts = info.data.get("parts")
    if parts and dim != (total := sum(part.dim for part in parts)):
        raise Misfit(f"must be {total}, the dimensions of latent.parts together, or null, not {dim}.")
    return dim


class LatentSpace(Component):
    """A latent space.

    Attributes:
        parts: the latent spaces that it is a product of; None for others.
        dim: degrees of freedom D; of a product, the sum of those of its parts.
    """

    parts: Annotated[
        Annotated[list["LatentSpace"], Field(min_length=1)] | None,
        BeforeValidator(_parts),
        Must("a list of latent spaces with their dimensions, such as [von_mises:1, normal:3, beta:2]"),
    ] = None
    dim: Annotated[Count, BeforeValidator(_of_the_parts), AfterValidator(_fitting)]

    @property
    def options(self) -> dict[str, Any]:
        """The arguments."""
        return {name: value for name, value in super().options.items() if name != "parts" or value is not None}


Parts = Annotated[
    list[LatentSpace],
    BeforeValidator(_parts),
    Field(min_length=1),
    Must("a list of latent spaces with their dimensions, such as [von_mises:1, normal:3, beta:2]"),
]
