"""From a composed config to typed values; what does not fit is told in one line that names each key."""

import json
import math
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from irg_experiments.config.tree import GROUPS, no_options, unknown_key
from irg_experiments.config.types import Must
from irg_experiments.errors import UserError


class Section(BaseModel):
    """A section of a config: every key is declared, with its type, range and meaning."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, protected_namespaces=())


class Misfit(PydanticCustomError):
    """Raised by a validator of values that fit each by itself but not together.

    Args:
        message: the sentence that the user reads, with the remedy; a validator of a field leaves out the field, with which the
            sentence begins.
    """

    def __new__(cls, message: str) -> "Misfit":
        """The error with its message, in which braces have no meaning."""
        return super().__new__(cls, "misfit", "{message}", {"message": message})


Schema = TypeVar("Schema", bound=BaseModel)


def validate(schema: type[Schema], values: Mapping[str, Any], section: str = "", **context: Any) -> Schema:
    """The values as an instance of the schema.

    Args:
        schema: a section of a config.
        values: plain dicts, lists and scalars.
        section: the dotted path of the values, for the message.
        context: what validators of the schema may ask for.

    Raises:
        UserError: a key is unknown or missing, or a value has a wrong type or range; one line names all of them.
    """
    try:
        return schema.model_validate(values, context=context)
    except ValidationError as error:
        sentences = dict.fromkeys(_sentence(schema, values, section, dict(it)) for it in error.errors(include_url=False))
        raise UserError(" ".join(sentences)) from None


def dotted(values: Mapping[str, Any], prefix: str = "") -> list[str]:
    """The keys of nested mappings, sections among them, as dotted paths."""
    keys = []
    for name, value in values.items():
        keys.append(f"{prefix}{name}")
        if isinstance(value, Mapping):
            keys += dotted(value, f"{prefix}{name}.")
    return keys


def declared(schema: type[BaseModel], prefix: str = "") -> list[str]:
    """The keys that the schema knows, sections among them, as dotted paths."""
    keys = []
    for name, field in schema.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        keys.append(key)
        inner = _section_of(field.annotation)
        if inner is not None:
            keys += declared(inner, f"{key}.")
    return keys


def shown(value: Any) -> str:
    """A value as a person would write it on the command line, cut to a length that fits a line."""
    text = f"'{value}'" if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 80 else f"{text[:77]}…"


def _sentence(schema: type[BaseModel], values: Mapping[str, Any], section: str, error: dict[str, Any]) -> str:
    path = [str(part) for part in error["loc"] if isinstance(part, str)]
    if error["type"] == "extra_forbidden":
        if not section and len(path) == 1 and path[0] in GROUPS:
            return f"experiment={values.get('experiment')} takes no {path[0]}: leave out {path[0]}=…"
        prefix = f"{section}." if section else ""
        if section and not schema.model_fields:
            return no_options(f"{prefix}{'.'.join(path)}", section)
        return unknown_key(f"{prefix}{'.'.join(path)}", [*([section] if section else []), *declared(schema, prefix)])
    if error["type"] == "misfit":
        return " ".join([".".join([section, *path] if section else path), error["msg"]]).strip()
    names, words = _deepest_field(schema, path)
    key = ".".join([section, *names] if section else names)
    found = _lookup(values, names)
    if found is _ABSENT:
        return f"{key} is missing: it must be {words}."
    return f"{key} must be {words}{_bound(error, words)}, not {shown(found)}."


def _bound(error: dict[str, Any], words: str) -> str:
    """The upper bound that a number exceeds, unless the words of its type say it."""
    limits = error.get("ctx", {})
    bound = limits.get("le", limits.get("lt"))
    if bound is None or math.isinf(bound) or any(float(number) in (bound, bound - 1) for number in _NUMBER.findall(words)):
        return ""
    return f" and {'at most' if 'le' in limits else 'below'} {bound}"


_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e-?\d+)?")
_ABSENT = object()


def _lookup(values: Any, names: Sequence[str]) -> Any:
    for name in names:
        if not isinstance(values, Mapping) or name not in values:
            return _ABSENT
        values = values[name]
    return values


def _deepest_field(schema: type[BaseModel], path: Sequence[str]) -> tuple[list[str], str]:
    """The part of the path that leads to a declared field, and what that field must be, in words."""
    names: list[str] = []
    words = "a section"
    inner: type[BaseModel] | None = schema
    for name in path:
        field = None if inner is None else _field(inner, name)
        if field is None:
            break
        names.append(name)
        words = words_of(field)
        inner = _section_of(field.annotation)
    return names, words


def _field(schema: type[BaseModel], name: str) -> FieldInfo | None:
    return next((field for own, field in schema.model_fields.items() if name in (own, field.alias)), None)


def words_of(field: FieldInfo) -> str:
    """What the values of a field must be, in words."""
    told = [item.words for item in field.metadata if isinstance(item, Must)]
    return told[-1] if told else _words(field.annotation)


def _words(annotation: Any) -> str:
    section = _section_of(annotation)
    if section is not None and hasattr(section, "words"):
        return str(section.words)
    if section is not None:
        return f"a section with the keys {', '.join(field.alias or name for name, field in section.model_fields.items())}"
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        told = [item.words for item in arguments[1:] if isinstance(item, Must)]
        return told[-1] if told else _words(arguments[0])
    if origin is Literal:
        return either([str(value) for value in arguments])
    if origin in (typing.Union, types.UnionType):
        return either(["null" if argument is type(None) else _words(argument) for argument in arguments])
    if origin in (list, tuple):
        return "a list"
    return {int: "a whole number", float: "a number", bool: "true or false", str: "text"}.get(annotation, "a valid value")


def either(words: Sequence[str]) -> str:
    """The words as a list of alternatives."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _section_of(annotation: Any) -> type[BaseModel] | None:
    """The schema of a field that is a section, perhaps an optional one."""
    return next((it for it in _alternatives(annotation) if isinstance(it, type) and issubclass(it, BaseModel)), None)


def _alternatives(annotation: Any) -> Iterator[Any]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        yield from typing.get_args(annotation)
    else:
        yield annotation
