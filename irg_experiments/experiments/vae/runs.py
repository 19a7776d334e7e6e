"""What a recorded run of a VAE is: which of its options the paper leaves open, and what it changes of the training."""

import functools
from typing import Any

from irg_experiments.config.tree import ConfigTree
from irg_experiments.results.paper import has_options_of_its_file
from irg_experiments.results.record import Record

# options of the model that the paper does not state, each with the order in which its values were tried
LEFT_OPEN = {
    "limits": lambda limits: limits[1],
    "parameterization": ("natural", "location_precision").index,
    "weights": ("glorot_normal", "fan_in").index,
    "code_scale": float,
}
# options of the training, and of what is trained on, in the order in which they were tried
TRIED = ("training.learning_rate", "training.kl_warmup_steps", "training.batch_size", "data.validation", "training.steps")
# with which options of the model are compared, that of both public reproductions
LEARNING_RATE = 1e-3
# options of the training that change no result, or that ``variant`` tells
_UNCOMPARED = {"log_every", "checkpoint_every", "num_samples"}
# the objective of records that name none
ELBO = "elbo"
PAPER_METHODS = ("implicit", "explicit")


def latent_name(latent: dict[str, Any]) -> str:
    """The name of a latent space, and of the parts of a product."""
    parts = ", ".join(f"{part['name']}:{part['dim']}" for part in latent.get("parts") or ())
    return f"{latent['name']} ({parts})" if parts else str(latent["name"])


def objective_of(record: Record) -> str:
    """The name of the objective; records from before there were several have none."""
    name: str = record["config"].get("objective", {}).get("name", ELBO)
    return name


def codes_of(record: Record) -> int:
    """The number of codes per image in training."""
    number: int = record["config"].get("training", {}).get("num_samples", 1)
    return number


def variant(record: Record) -> str:
    """What tells a run from one that was trained by the evidence lower bound of one code per image; empty for that one."""
    objective, codes = objective_of(record), codes_of(record)
    parts = [objective] if objective != ELBO else []
    return "".join(f", {part}" for part in [*parts, *([f"{codes} codes"] if codes > 1 else [])])


def has_usual_options(record: Record) -> bool:
    """Whether a run is by implicit or explicit gradients of the evidence lower bound, with the committed files' options.

    Latent space, model and data may differ from the files of their names in the dimension, the options ``LEFT_OPEN`` of the
    model, and how many images are for validation; the training may be any.
    """
    free = {"latent": ("dim",), "model": tuple(LEFT_OPEN), "data": ("root", "validation")}
    same = all(has_options_of_its_file(group, record["config"][group], *free[group]) for group in free)
    return same and record["method_label"] in PAPER_METHODS and not variant(record)


def changes(record: Record) -> dict[str, Any]:
    """What a run changes of the training of its budget with ``LEARNING_RATE``, by key, in the order in which it was tried."""
    config, data = record["config"], record["config"]["data"]
    found = {
        **{f"training.{key}": value for key, value in config.get("training", {}).items() if key not in _UNCOMPARED},
        "data.validation": data.get("validation", _validation(data["name"])),
        "precision": config.get("precision", "highest"),
    }
    usual = {
        **{f"training.{key}": value for key, value in _training(record["budget"]).items()},
        "training.learning_rate": LEARNING_RATE,
        "data.validation": _validation(data["name"]),
        "precision": "highest",
    }
    changed = {key: value for key, value in found.items() if value != usual.get(key)}
    return {key: changed[key] for key in [*TRIED, *sorted(changed.keys() - set(TRIED))] if key in changed}


def is_trained_as_in_the_sweep(record: Record) -> bool:
    """Whether a run is trained as those of ``+sweep=vae_table``: the model of its file, all images, no other change."""
    rate = _training(record["budget"])["learning_rate"]
    of_the_sweep = {**({} if rate == LEARNING_RATE else {"training.learning_rate": rate}), "data.validation": 0}
    return has_usual_model(record) and changes(record) == of_the_sweep


def has_usual_model(record: Record) -> bool:
    """Whether the model has the options of the committed file of its name."""
    return has_options_of_its_file("model", record["config"]["model"])


@functools.cache
def _training(budget: str) -> dict[str, Any]:
    """The options of the training in the committed file of the experiment, with those of a budget."""
    file = ConfigTree().load("experiment", "vae")
    return {**file["training"], **file["budgets"].get(budget, {})}


@functools.cache
def _validation(data: str) -> int | None:
    """The number of validation images in the committed file of a data set; None without such a file."""
    tree = ConfigTree()
    number: int | None = tree.load("data", data).get("validation") if data in tree.choices("data") else None
    return number
