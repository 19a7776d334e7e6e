"""The way of training that goes with a model."""

import torch

from irg_experiments.config.components import returned_type
from irg_experiments.config.tree import ConfigTree
from irg_experiments.experiments.choices import check_kind
from irg_experiments.experiments.lda.config import LDAConfig
from irg_experiments.experiments.lda.gradient import GradientTask
from irg_experiments.experiments.lda.svi import SVITask
from irg_experiments.experiments.lda.task import LDATask
from irg_experiments.models.topic_model import TopicModel
from irg_experiments.training import distributed

# the first whose kind of model it is
TASKS: tuple[type[LDATask], ...] = (SVITask, GradientTask)


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
    made = returned_type(config.model, "model")
    task = next(task for task in TASKS if issubclass(made, task.Model))
    if not task.parallel:
        distributed.require_one_process(f"model={config.model.name}")
    return task(config, device, compiled, tree)
