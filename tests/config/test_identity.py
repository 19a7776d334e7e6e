"""The hash of a run covers what can change its result, and nothing else."""

from typing import Annotated, Any

import pytest
from pydantic import Field

from irg_experiments.config.components import Component, DataSet, Methods
from irg_experiments.config.identity import essence, identity
from irg_experiments.config.types import CONDUCT, Count, Positive
from irg_experiments.config.validation import Section, validate


class Inner(Section):
    steps: Count
    log_every: Annotated[Count, CONDUCT]
    rate: Positive


class Config(Section):
    seed: int
    inner: Inner
    method: Component
    data: DataSet
    methods: Methods = Field(default=[])
    later: Count = 5


RSVI = {"_target_": "irg_experiments.estimators.RSVI", "name": "rsvi", "augmentation": 4}
VALUES: dict[str, Any] = {
    "seed": 0,
    "inner": {"steps": 10, "log_every": 1, "rate": 1.0},
    "method": RSVI,
    "data": {"_target_": "irg_experiments.data.bars.load", "name": "bars", "root": "data", "recommended": {"topics": 10}},
}


def of(**changes: Any) -> str:
    return identity(validate(Config, {**VALUES, **changes}))


@pytest.mark.parametrize(
    "change",
    [
        {"inner": {"steps": 10, "log_every": 7, "rate": 1.0}},
        {"inner": {"steps": 10, "log_every": 1, "rate": 1}},
        {"data": {**VALUES["data"], "root": "/elsewhere"}},
        {"data": {**VALUES["data"], "name": "mine", "recommended": {}}},
        {"later": 5},
        {"methods": []},
        {"method": {**RSVI, "correction": True}},
    ],
)
def test_places_labels_notation_and_defaults_do_not_count(change: dict[str, Any]):
    assert of(**change) == of()


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"inner": {"steps": 11, "log_every": 1, "rate": 1.0}},
        {"method": {**RSVI, "augmentation": 5}},
        {"method": {**RSVI, "correction": False}},
        {"method": {"_target_": "irg_experiments.estimators.Implicit", "name": "rsvi"}},
        {"data": {**VALUES["data"], "num_train": 100}},
        {"later": 6},
        {"methods": ["implicit"]},
    ],
)
def test_everything_else_counts(change: dict[str, Any]):
    assert of(**change) != of()


def test_a_hash_does_not_depend_on_the_machine_or_the_version():
    assert of() == "03c5d3be"


def test_repetitions_differ_in_the_seed_alone():
    configs = [validate(Config, {**VALUES, "seed": seed}) for seed in (0, 1)]
    assert len({identity(it) for it in configs}) == 2
    assert len({identity(it, seed=False) for it in configs}) == 1
    assert "seed" in essence(configs[0])
