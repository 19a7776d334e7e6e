"""The estimator that the config group ``method`` asks for."""

from typing import Any

from irg_experiments.errors import UserError
from irg_experiments.estimators import ESTIMATORS, Estimator

ALL = "all"


def make_estimator(method: Any) -> Estimator:
    """The one estimator of a method config, with its options.

    Raises:
        UserError: the config asks for all of them, or an option has a value it cannot have.
    """
    if method.name == ALL:
        raise UserError(f"method={ALL} is for experiments that compare methods. Choose one: {', '.join(ESTIMATORS)}.")
    return ESTIMATORS[method.name](**{name: value for name, value in method.items() if name != "name"})


def make_estimators(method: Any, augmentations: list[int]) -> dict[str, Estimator]:
    """The estimators of a method config by label: one, or with ``all`` each one, RSVI with every augmentation."""
    if method.name != ALL:
        return {_label(method.name, method.get("augmentation")): make_estimator(method)}
    estimators: dict[str, Estimator] = {}
    for name, make in ESTIMATORS.items():
        if name == "rsvi":
            estimators.update({_label(name, b): make(augmentation=b) for b in augmentations})
        else:
            estimators[name] = make()
    return estimators


def _label(name: str, augmentation: int | None) -> str:
    return name if augmentation is None else f"{name} B={augmentation}"
