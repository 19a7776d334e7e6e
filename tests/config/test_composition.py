"""The configs of a sweep that are checked before it starts are those that Hydra composes for its runs."""

import pytest

from irg_experiments.config.command_line import parse, resolved
from irg_experiments.config.composition import MOST_RUNS, compose, compositions
from irg_experiments.config.sources import sources
from irg_experiments.errors import UserError

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
    runs = [(name, resolved(config)) for name, config, _ in compositions(parse(["-m", *LDA, *sweep]))]
    assert len({name for name, _ in runs}) == len(runs) == 2 ** len(sweep)
    for name, values in runs:
        words = name.replace("} ", "}|").replace(" ", "|").replace(":|", ": ").split("|")
        assert values == resolved(compose(parse([*LDA, *words])))


def test_the_words_of_a_run_are_those_of_one_command():
    words = ["experiment=lda", "seed=3,4", "+training={steps: 50},{steps: 70}", "data=bars"]
    assert [it.words for it in compositions(parse(["-m", *words]))] == [
        ("experiment=lda", f"seed={seed}", f"+training={{steps:{steps}}}", "data=bars") for seed in (3, 4) for steps in (50, 70)
    ]


def test_more_runs_than_anyone_waits_for_are_refused():
    with pytest.raises(UserError, match="has 10,001 runs, and 10,000 are the most"):
        next(compositions(parse(["-m", *LDA, f"seed=range(0,{MOST_RUNS + 1})"])))


def test_another_sweeper_chooses_by_itself():
    words = ["-m", *LDA, "seed=0,-1", "hydra.sweeper._target_=my_sweepers.Random"]
    assert [resolved(it.config)["seed"] for it in compositions(parse(words))] == [0]
    words += ["training.learning_rate=interval(1e-4,1e-2)"]
    assert [resolved(it.config)["training"]["learning_rate"] for it in compositions(parse(words))] == [1e-4]


def test_sources_are_those_of_targets_outside_the_package():
    inside, outside = "irg_experiments.estimators.Implicit", "tests.statistics.seed"
    found = sources({"method": {"_target_": inside}, "methods": [{"_target_": outside}, {"_target_": "math.pi"}]})
    assert list(found) == [outside]
    assert len(found[outside]) == 12
