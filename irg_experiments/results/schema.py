"""The types of a record's fields, which every record is checked against when it is read."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, Strict

from irg_experiments.config.types import Must, Name, Seed
from irg_experiments.config.validation import shown, validate
from irg_experiments.errors import UserError

SCHEMA_VERSION = 2
# what is read: earlier ones are brought to today's form
VERSIONS = range(1, SCHEMA_VERSION + 1)

# of sections within sections; Python's functions call themselves a thousand times at most
MOST_LEVELS = 100

_Text = Annotated[str, Strict()]
_Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
_Section = Annotated[dict[str, Any], Must("a section")]


class _Config(BaseModel):
    model_config = ConfigDict(extra="allow")

    experiment_class: _Text = Field(alias="_target_")


class _Fields(BaseModel):
    """The fields that every experiment's record has; what else is there is left as it is."""

    model_config = ConfigDict(extra="allow")

    status: Literal["running", "done", "failed", "interrupted"]
    experiment: Name
    method: _Text | None
    method_label: _Text | None = None
    data: _Text | None
    model: _Text | None
    seed: Seed
    budget: _Text
    metrics: _Section
    non_finite: Annotated[dict[str, _Text], Must("a section of text")]
    steps: Annotated[int, Strict()] | None
    steps_per_second: _Number | None
    wall_seconds: _Number | None
    started: _Text
    versions: Annotated[dict[str, _Text], Must("a section of text")]
    machine: _Section
    device: _Text
    compile: _Text | None
    git_commit: _Text | None
    earlier_code: Annotated[list[_Text], Must("a list of text")]
    sources: Annotated[dict[str, _Text], Must("a section of text")] = {}
    command: _Text
    identity: _Text
    group: _Text
    config: _Config
    error: _Text | None


def check_version(record: dict[str, Any]) -> None:
    """Raises UserError unless the record's schema is one that can be read."""
    version = record.get("schema_version")
    if type(version) is not int or version not in VERSIONS:  # type(): True is an int, too
        read = " and ".join(map(str, VERSIONS))
        raise UserError(f"its schema_version is {shown(version)}, and this version of irg-experiments reads {read}.")


def check_fields(record: dict[str, Any]) -> None:
    """Raises UserError, which names each field that is missing or of a wrong type, unless the record has today's form."""
    for section in ("config", "metrics"):
        _check_depth(record, section)
    validate(_Fields, record)
    check_metrics(record["metrics"])


def _check_depth(record: dict[str, Any], section: str) -> None:
    """Raises UserError for a section that functions of itself, such as those that list its leaves, could not descend into."""
    level = [record.get(section)]
    for _ in range(MOST_LEVELS):
        level = [item for it in level for item in (it.values() if isinstance(it, dict) else it if isinstance(it, list) else ())]
        if not level:
            return
    raise UserError(f"its {section} is nested deeper than {MOST_LEVELS} levels.")


def check_metrics(metrics: dict[str, Any]) -> None:
    """Raises UserError for a metric that is no number: perhaps nested in sections and lists, null if it is not finite."""
    for name, value in leaves(metrics, "metrics"):
        if value is not None and not isinstance(value, int | float):
            raise UserError(f"{name} must be a number, not {shown(value)}.")


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """What nested sections and lists hold, each with its keys and indices joined by dots."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        yield name, value
    else:
        for key, item in items:
            yield from leaves(item, f"{name}.{key}" if name else str(key))
