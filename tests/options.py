"""Components made from the option files, and the checks that the annotations of their constructors make."""

import inspect
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from irg_experiments.config import ConfigTree, components
from irg_experiments.estimators import Estimator

TREE = ConfigTree()


def names(group: str) -> list[str]:
    """The options of a group of the config tree."""
    return TREE.choices(group)


def estimators() -> list[str]:
    """The options of ``method`` that are gradient estimators."""
    return [name for name in names("method") if isinstance(build("method", name), Estimator)]


def build(group: str, name: str, **changes: Any) -> Any:
    """The component of ``configs/<group>/<name>.yaml``; ``changes`` replace options or add arguments."""
    options = TREE.load(group, name)
    assert options["name"] == name
    runtime = {key: value for key, value in changes.items() if key not in options}
    replaced = {key: value for key, value in changes.items() if key in options}
    return components.build(components.Component(**{**options, **replaced}), group, **runtime)


def accepts(target: Any, option: str, value: Any) -> bool:
    """Whether the annotation of an argument of a class or function accepts a value."""
    annotation = get_type_hints(target.__init__ if inspect.isclass(target) else target, include_extras=True)[option]
    try:
        TypeAdapter(annotation).validate_python(value)
    except ValidationError:
        return False
    return True
