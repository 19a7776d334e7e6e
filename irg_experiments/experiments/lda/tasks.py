"""The way of training that goes with a model."""

import torch

from irg_experiments.config.components import Component
from irg_experiments.config.tree import ConfigTree
from irg_experiments.errors import UserError
from irg_experiments.experiments.choices import able, check_kind, makes
from irg_experiments.experiments.lda.config import LDAConfig
from irg_experiments.experiments.lda.gradient import GradientTask
from irg_experiments.experiments.lda.svi import SVITask
from irg_experiments.experiments.lda.task import LDATask
from irg_experiments.models.topic_model import TopicModel
from irg_experiments.training import distributed

# the first whose kind of model it is
TASKS: tuple[type[LDATask], ...] = (SVITask, GradientTask)


def _task_of(model: Component) -> type[LDATask]:
    return next(task for task in TASKS if makes(model, "model", task.Model))


def _is_trained(model: Component, method: Component) -> bool:
    return makes(model, "model", TopicModel) and makes(method, "method", _task_of(model).Method)


def make_task(config: LDAConfig, device: torch.device, compiled: bool, tree: ConfigTree) -> LDATask:
    """The task of a config, chosen by the kind of its model.

    Args:
        config: of the experiment.
        device: where tensors are.
        compiled: whether training steps are compiled.
        tree: the option files.

    Raises:
        UserError: data, model and method do not go together, or cannot be had, or several processes cannot train the model.
    """
    check_kind(config.model, TopicModel, "a topic model", "lda", tree, "model")
    task = _task_of(config.model)
    if not makes(config.method, "method", task.Method):
        methods = able("method", tree, lambda method: makes(method, "method", task.Method))
        models = able("model", tree, lambda model: _is_trained(model, config.method))
        remedy = f"method={methods[0]}" if len(methods) == 1 else "another method"
        raise UserError(
            f"method={config.method.name} cannot train model={config.model.name}: "
            + (f"it trains model={' or '.join(models)}. Choose that, or {remedy}." if models else f"choose {remedy}.")
        )
    if not task.parallel:
        distributed.require_one_process(f"model={config.model.name}")
    return task(config, device, compiled, tree)
