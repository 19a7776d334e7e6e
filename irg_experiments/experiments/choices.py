"""Which options of the config tree go together, for messages that name those that do."""

import contextlib
import copy
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from irg_experiments.config.components import Component, build, returned_type
from irg_experiments.config.tree import ConfigTree
from irg_experiments.config.validation import validate
from irg_experiments.errors import UserError
from irg_experiments.estimators import Estimator, supports


def check_kind(option: Component, kind: type, words: str, experiment: str, tree: ConfigTree, group: str = "data") -> None:
    """Checks what an option makes before it is made: an object of its class, or what its function is annotated to return.

    Args:
        option: the section of the config.
        kind: the class of what it must make.
        words: the kind in words.
        experiment: its name, for the message.
        tree: the option files.
        group: the key of the section.

    Raises:
        UserError: it makes something else.
    """
    if not makes(option, group, kind):
        others = able(group, tree, lambda other: makes(other, group, kind))
        raise UserError(
            f"experiment={experiment} takes {words}, not {group}={option.name}. Choose {group}={' or '.join(others)}."
        )


def makes(option: Component, group: str, kind: type) -> bool:
    """Whether an option makes an object of a class, or its function is annotated to return one.

    Args:
        option: the section of the config.
        group: its key.
        kind: the class.
    """
    made = returned_type(option, group)
    return isinstance(made, type) and issubclass(made, kind)


Condition = Callable[[Component], bool]


def check_batch_size(batch_size: int, size: int, items: str) -> None:
    """Raises UserError for batches larger than the training set."""
    if batch_size > size:
        raise UserError(f"training.batch_size must be at most {size}, the number of training {items}, not {batch_size}.")


def make_estimator(
    method: Component,
    family: type[Distribution],
    whose: str,
    tree: ConfigTree,
    section: str = "method",
    elementwise: bool = True,
    objective: str | None = None,
    num_samples: int | None = None,
) -> Estimator:
    """The estimator that a section describes.

    Args:
        method: the section.
        family: the distribution whose samples it must differentiate.
        whose: what has that distribution, for the message.
        tree: the option files.
        section: the key of the section, for the message.
        elementwise: whether the estimator may be one that takes elementwise functions alone.
        objective: what demands an estimator whose gradient flows through the samples alone, for the message; None if nothing.
        num_samples: the value of ``training.num_samples``, which is then checked.

    Raises:
        UserError: it cannot, it needs more samples, or an option has a value that it cannot have.
    """
    problem = f"cannot differentiate the {family.__name__} samples of {whose}"
    made = returned_type(method, section)
    if not (inspect.isclass(made) and issubclass(made, Estimator)):
        problem = f"is no gradient estimator for the {family.__name__} samples of {whose}"
    elif supports(estimator := build(method, section), family):
        if estimator.elementwise and not elementwise:
            problem = f"cannot differentiate functions of several elements of the {family.__name__} samples of {whose}"
        elif objective is not None and not estimator.pathwise:
            which = "with these options " if type(estimator).pathwise else ""
            whose_gradient = f"whose gradient flows through the {family.__name__} samples of {whose} alone"
            problem = f"{which}cannot serve {objective}, {whose_gradient}"
        else:
            if num_samples is not None:
                check_num_samples(estimator, num_samples, f"{section}={method.name}", "Raise training.num_samples")
            return estimator
    others = ", ".join(methods_for(family, tree, elementwise, objective is not None))
    raise UserError(f"{section}={method.name} {problem}. Methods that can: {others}.")


def check_num_samples(estimator: Estimator, num_samples: int, which: str, remedy: str) -> None:
    """Raises UserError if an estimator cannot work with a number of samples.

    Args:
        estimator: the method.
        num_samples: per value.
        which: the method as it was chosen, for the message.
        remedy: what gives it more samples, the beginning of a sentence.
    """
    try:
        estimator.check_num_samples(num_samples)
    except ValueError as error:
        such_as = f", such as {estimator.for_fewer_samples}" if estimator.for_fewer_samples else ""
        raise UserError(f"{which}: {error}. {remedy}, or choose another option{such_as}.") from error


def check_estimate(method: Component, estimator: Estimator, q: Distribution, num_samples: int, device: torch.device) -> None:
    """Raises UserError unless an estimate has the shape and the gradient that ``Estimator.expectation`` must give it.

    Random streams and a moving average stay as they are.

    Args:
        method: the section.
        estimator: made of it.
        q: a batch of distributions whose parameters depend on those of a model.
        num_samples: per value.
        device: of q.
    """
    event = tuple(range(-len(q.event_shape), 0))
    with torch.random.fork_rng([device] if device.type == "cuda" else []), torch.enable_grad():
        value = copy.deepcopy(estimator).expectation(lambda z: z.square().sum(event) if event else z.square(), q, num_samples)
    which = f"method={method.name}: {type(estimator).__name__}.expectation"
    if not isinstance(value, Tensor) or value.shape != q.batch_shape:
        found = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"type {type(value).__name__}"
        raise UserError(f"{which} must return a tensor of q's batch shape, here {tuple(q.batch_shape)}, not of {found}.")
    if not value.requires_grad:
        raise UserError(f"{which} must return an estimate with a gradient in the parameters of q, but this one has none.")


def check_made(made: Any, kind: type, option: Component) -> None:
    """Raises UserError unless what a data set's function returned is of its kind."""
    if not isinstance(made, kind):
        raise UserError(f"data={option.name}: {option.target} must return {kind.__name__}, not {type(made).__name__}.")


def methods_for(family: type[Distribution], tree: ConfigTree, elementwise: bool = True, pathwise: bool = False) -> list[str]:
    """The options of ``method`` that can differentiate samples of a family.

    Args:
        family: the distribution.
        tree: the option files.
        elementwise: whether to include estimators that take elementwise functions alone.
        pathwise: whether to leave out estimators whose gradient does not flow through the samples alone.
    """

    def can(option: Component) -> bool:
        cls = returned_type(option, "method")
        return (
            inspect.isclass(cls)
            and issubclass(cls, Estimator)
            and supports(cls, family)
            and (elementwise or not cls.elementwise)
            and (cls.pathwise or not pathwise)
        )

    return able("method", tree, can)


def able(group: str, tree: ConfigTree, condition: Condition) -> list[str]:
    """The options of a group that fulfil a condition, without those that cannot be used, such as a user's unfinished file."""
    found = []
    for name in tree.choices(group):
        with contextlib.suppress(UserError):
            if condition(validate(Component, tree.load(group, name), group)):
                found.append(name)
    return found
