"""The configs of a sweep that are checked before it starts are those that Hydra composes for its runs."""

import pytest

from irg_experiments.config.command_line import parse, resolved
from irg_experiments.config.composition import MOST_CHECKED, compose, compositions
from irg_experiments.config.sources import sources

LDA = ("experiment=lda", "budget=smoke")


@pytest.mark.parametrize(
    "sweep",
    [
        ("seed=0,1", "method=implicit,rsvi"),
        ("training.learning_rate=1e-3,1", "model.hidden=[3],[4,5]"),
        ("budget=short,paper",),
        ("+training={steps: 50},{steps: 70}", "training.batch_size=1,2"),
    ],
)
def test_every_run_of_a_sweep_is_composed(sweep: tuple[str, ...]):
    runs = [(name, resolved(config)) for name, config in compositions(parse(["-m", *LDA, *sweep]))]
    assert len({name for name, _ in runs}) == len(runs) == 2 ** len(sweep)
    for name, values in runs:
        words = name.replace("} ", "}|").replace(" ", "|").replace(":|", ": ").split("|")
        assert values == resolved(compose(parse([*LDA, *words])))


def test_long_sweeps_are_checked_at_their_beginning():
    names = [name for name, _ in compositions(parse(["-m", *LDA, f"seed=range(0,{MOST_CHECKED + 1})"]))]
    assert len(names) == MOST_CHECKED
    assert names[-1] == f"seed={MOST_CHECKED - 1}"


def test_another_sweeper_chooses_by_itself():
    words = ["-m", *LDA, "seed=0,-1", "hydra.sweeper._target_=my_sweepers.Random"]
    assert [resolved(config)["seed"] for _, config in compositions(parse(words))] == [0]


def test_sources_are_those_of_targets_outside_the_package():
    inside, outside = "irg_experiments.estimators.Implicit", "tests.statistics.seed"
    found = sources({"method": {"_target_": inside}, "methods": [{"_target_": outside}, {"_target_": "math.pi"}]})
    assert list(found) == [outside]
    assert len(found[outside]) == 12
