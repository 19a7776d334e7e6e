"""What an option file's ``_target_`` names, built after its options were checked.

The annotations of a constructor (see ``irg_experiments.config.types``) are the schema of its options: a class and a YAML file
are all that an addition takes.
"""

import functools
import importlib
import inspect
import typing
from collections.abc import Callable
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, create_model

from irg_experiments.config.tree import ConfigTree
from irg_experiments.config.types import CONDUCT, Conduct, Folder, Must, Name
from irg_experiments.config.validation import Misfit, validate
from irg_experiments.errors import UserError


class Component(BaseModel):
    """A section whose ``_target_`` names a class or function; its other keys are that one's arguments.

    Attributes:
        target: where it is, ``package.module.Name``.
        name: a label, for folders and tables.
        recommended: values that other sections take by default with this option; no arguments.
    """

    words: ClassVar[str] = "one of the options that irg-run --help lists"
    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True, protected_namespaces=())

    target: Annotated[str, Must("the import path of a class or function")] = Field(alias="_target_")
    name: Annotated[Name, CONDUCT]
    recommended: Annotated[dict[str, Any], Must("a section"), CONDUCT] = {}

    @property
    def options(self) -> dict[str, Any]:
        """The arguments."""
        own = {name: getattr(self, name) for name in type(self).model_fields if name not in Component.model_fields}
        return {**own, **(self.model_extra or {})}


class DataSet(Component):
    """A data set: a function of the data root.

    Attributes:
        root: where files are, which changes no result.
        note: what tables say beside its name, if anything; no argument.
    """

    root: Annotated[Folder, CONDUCT]
    note: Annotated[str | None, Must("text, or null"), CONDUCT] = None

    @property
    def options(self) -> dict[str, Any]:
        """The arguments."""
        return {name: value for name, value in super().options.items() if name != "note"}


def expanded(group: str) -> Callable[[Any, ValidationInfo], Any]:
    """A validator: each name in a list as the keys of its option file, each mapping laid over those of the file it names."""

    def expand(entries: Any, info: ValidationInfo) -> Any:
        if not isinstance(entries, list):
            return entries
        tree: ConfigTree = (info.context or {}).get("tree") or ConfigTree()
        return [_with_options_of_its_file(entry, group, tree) for entry in entries]

    return expand


def _with_options_of_its_file(entry: Any, group: str, tree: ConfigTree) -> Any:
    if isinstance(entry, Component):
        return entry
    entry = entry if isinstance(entry, dict) else {"name": entry}
    name, target = entry.get("name"), entry.get("_target_")
    if not isinstance(name, str) or (target is not None and name not in tree.choices(group)):
        return entry
    options = tree.load(group, name)
    if target not in (None, options["_target_"]):
        raise Misfit(f"has '{name}', which is {options['_target_']}, not {target}: leave out the _target_.")
    return {**options, **entry}


def _different(options: list[Component]) -> list[Component]:
    for number, option in enumerate(options):
        if any(option.target == other.target and option.options == other.options for other in options[:number]):
            raise Misfit(f"has {option.name} twice with the same options: leave out one of the two.")
    return options


Methods = Annotated[
    list[Component],
    BeforeValidator(expanded("method")),
    AfterValidator(_different),
    Must("a list of methods, such as [implicit, {name: rsvi, augmentation: 5}]"),
]
Objectives = Annotated[
    list[Component],
    BeforeValidator(expanded("objective")),
    AfterValidator(_different),
    Must("a list of objectives, such as [stl, iwae]"),
]


def find(component: Component, section: str) -> Any:
    """The class or function that the ``_target_`` of a component names.

    Raises:
        UserError: there is none, it is a class that lacks methods of its base class, or it has no signature.
    """
    module, _, name = component.target.rpartition(".")
    try:
        target = getattr(importlib.import_module(module), name)
    except Exception as error:  # whatever importing the module of a user may raise
        reason = f"{type(error).__name__}: {error}"
        where = " Modules of your own are looked for in the folder where the command is typed."
        hint = where if isinstance(error, ModuleNotFoundError) else ""
        raise UserError(f"{section}._target_ '{component.target}' cannot be imported ({reason}).{hint}") from error
    if not callable(target):
        raise UserError(f"{section}._target_ '{component.target}' is no class or function.")
    if inspect.isabstract(target):
        lacking = ", ".join(sorted(target.__abstractmethods__))
        raise UserError(f"{section}._target_ '{component.target}' does not define {lacking}, as its base class demands.")
    try:
        inspect.signature(target)
    except (ValueError, TypeError) as error:
        raise UserError(f"{section}._target_ '{component.target}' has no signature to check options against.") from error
    return target


def check_options(section: BaseModel, path: str = "") -> None:
    """Checks the given options of all components of a config, before any of them is built.

    Args:
        section: the config, or a part of it.
        path: its dotted path with a dot at the end, for messages.

    Raises:
        UserError: an option is unknown or has a value that it cannot have.
    """
    for name in type(section).model_fields:
        value = getattr(section, name)
        named = {f"{path}{name}[{number}]": item for number, item in enumerate(value)} if isinstance(value, list) else {}
        for key, item in {f"{path}{name}": value, **named}.items():
            if isinstance(item, Component):
                parameters = inspect.signature(find(item, key)).parameters.values()
                required = {parameter.name for parameter in parameters if parameter.default is inspect.Parameter.empty}
                given = {option: value for option, value in item.options.items() if value is not None}
                # the others may come at run time, and null may say that options do not go together
                check(Component(_target_=item.target, name=item.name, **given), key, *(required - given.keys()))
            elif isinstance(item, BaseModel):
                check_options(item, f"{key}.")


def check(component: Component, section: str, *runtime: str) -> BaseModel:
    """The options of a component, checked against the signature of its target.

    Args:
        component: its class or function, and options.
        section: the component's key in the config, for messages.
        runtime: names of arguments that are not options.

    Raises:
        UserError: an option is unknown, missing, or has a value that it cannot have, or the target lacks a runtime argument.
    """
    target = find(component, section)
    parameters = inspect.signature(target).parameters
    takes_any = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())
    lacking = [] if takes_any else [name for name in runtime if name not in parameters]
    if lacking:
        raise UserError(f"{section}._target_ '{component.target}' must take the argument {' and '.join(lacking)}.")
    try:
        schema = _schema(target, frozenset(runtime))
    except NameError as error:
        raise UserError(
            f"{section}._target_ '{component.target}' has an annotation that cannot be resolved at run time ({error})."
        ) from error
    return validate(schema, component.options, section)


def build(component: Component, section: str, **runtime: Any) -> Any:
    """The object that a component describes.

    Args:
        component: its class or function, and options.
        section: the component's key in the config, for messages.
        runtime: arguments that are not options, such as the size of the vocabulary.

    Raises:
        UserError: an option is unknown, missing, or has a value that it cannot have; the object cannot be made, or does not fit
            into memory.
    """
    checked = check(component, section, *runtime)
    options = {name: getattr(checked, name) for name in type(checked).model_fields} | (checked.model_extra or {})
    try:
        return find(component, section)(**options, **runtime)
    except (UserError, ValueError) as error:
        raise UserError(f"{section}={component.name}: {error}") from error
    except Exception as error:  # whatever the constructor of a user may raise
        if _is_of_memory(error):
            raise UserError(f"{section}={component.name} does not fit into memory: choose smaller sizes.") from error
        raise UserError(
            f"{section}={component.name}: {component.target} raised {type(error).__name__}: {str(error).removesuffix('.')}. "
            "IRG_FULL_ERROR=1 shows the traceback."
        ) from error


def _is_of_memory(error: Exception) -> bool:
    """Whether an allocation failed: torch raises RuntimeError on the CPU."""
    words = ("not enough memory", "can't allocate memory", "size calculation overflowed", "out of memory")
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and any(it in str(error) for it in words))


def check_makes(component: Component, section: str, kind: type) -> None:
    """Checks what a component makes before it is made: an object of its class, or what its function is annotated to return.

    Raises:
        UserError: it makes something else.
    """
    made = returned_type(component, section)
    if not (inspect.isclass(made) and issubclass(made, kind)):
        raise UserError(f"{section}={component.name}: {component.target} is no {kind.__name__}.")


def options_that_count(component: Component, section: str) -> dict[str, Any]:
    """The target and those options that differ from their defaults in its signature.

    An option that is added later, with the default that does what was done before, so changes nothing here.
    """
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(find(component, section)).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }
    conduct = {
        name for name, field in type(component).model_fields.items() if any(isinstance(it, Conduct) for it in field.metadata)
    }
    kept = {
        name: value
        for name, value in component.options.items()
        if name not in conduct and (name not in defaults or not _same(defaults[name], value))
    }
    return {"_target_": component.target, **kept}


def _same(default: Any, value: Any) -> bool:
    # a list of the config stands for a tuple
    return (list(default) if isinstance(default, tuple) else default) == value


def returned_type(component: Component, section: str) -> Any:
    """The annotated type of what a function returns, or the class itself.

    Raises:
        UserError: the function has no such annotation.
    """
    target = find(component, section)
    if inspect.isclass(target):
        return target
    hints = typing.get_type_hints(target)
    if "return" not in hints:
        raise UserError(f"{section}._target_ '{component.target}' must be annotated with what it returns, '-> …'.")
    return hints["return"]


@functools.cache
def _schema(target: Any, runtime: frozenset[str]) -> type[BaseModel]:
    """The options of a constructor or function as a schema."""
    hints = typing.get_type_hints(target.__init__ if inspect.isclass(target) else target, include_extras=True)
    fields: dict[str, Any] = {}
    extra: typing.Literal["allow", "forbid"] = "forbid"
    for name, parameter in inspect.signature(target).parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            extra = "allow"
        elif name not in runtime and parameter.kind is not inspect.Parameter.VAR_POSITIONAL:
            default = ... if parameter.default is inspect.Parameter.empty else parameter.default
            fields[name] = (hints.get(name, Any), default)
    settings = ConfigDict(extra=extra, arbitrary_types_allowed=True, protected_namespaces=())
    return create_model(f"{target.__name__}Options", __config__=settings, **fields)
