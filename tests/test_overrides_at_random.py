"""Command lines made at random: each ends with exit code 0, or with one line of error and 2, and none with a traceback."""

import contextlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from irg_experiments import cli
from irg_experiments.config import GROUPS, ConfigTree
from irg_experiments.experiments import runner
from irg_experiments.results import console

TREE = ConfigTree()
KEYS = [
    *("seed", "device", "threads", "compile", "budget", "output", "rerun", "experiment", "hydra.run.dir", "budgets.smoke"),
    *("training.steps", "training.learning_rate", "training.batch_size", "training.nothing", "methods", "measurement.points"),
    *(
        "data.root",
        "data.num_test",
        "latent.dim",
        "latent.parts",
        "method.draws",
        "model.hidden",
        "_target_",
        "method._target_",
    ),
]
CHOICES = [choice for group in GROUPS for choice in TREE.choices(group)]
# no slash at the beginning: nothing is to be looked up outside the folder of the test
TEXT = st.text(st.sampled_from("aZ0.-_:%@?+ ,=[]{}()'\"\\$~*!#;&|<>日é\n\t/"), max_size=8).map(lambda text: text.lstrip("/~"))
SCALARS = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.floats().map(str),
    st.sampled_from(
        ["null", "true", "nan", "1e400", "${seed}", "${nothing}", "${oc.env:NOTHING}", "???", "''", "0x1F", "1_000"]
    ),
    st.sampled_from(CHOICES),
    TEXT,
)
VALUES = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=3).map(lambda items: f"[{','.join(items)}]"),
    st.lists(SCALARS, min_size=2, max_size=3).map(",".join),
    st.tuples(st.sampled_from(["name", "dim", "a"]), SCALARS).map(lambda item: f"{{{item[0]}: {item[1]}}}"),
    st.sampled_from(["range(3)", "range(0)", "choice(1,2)", "interval(0,1)", "glob(*)", "sort(2,1)", "shuffle(1)"]),
)
GOOD = st.sampled_from([f"{group}={choice}" for group in GROUPS for choice in TREE.choices(group)])
WORDS = st.one_of(
    st.builds("{}{}={}".format, st.sampled_from(["", "", "", "+", "++", "~"]), st.sampled_from([*KEYS, *GROUPS]), VALUES),
    st.builds("{}={}".format, TEXT, SCALARS),
    GOOD,
    TEXT,
)
FLAGS = st.sampled_from([[], [], ["-m"], ["--cfg", "job"], ["--cfg", "job", "--resolve"]])


@pytest.fixture
def _without_training(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runner, "_run", lambda *arguments: None)
    monkeypatch.setattr(runner, "_alone_in", lambda directory: contextlib.nullcontext())
    monkeypatch.setattr(runner, "show", lambda *arguments: None)
    monkeypatch.setattr(console, "prepare_streams", lambda: None)


@contextlib.contextmanager
def redirected() -> Iterator[io.StringIO]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as errors:
        yield errors


@pytest.mark.usefixtures("_without_training")
@settings(
    derandomize=True,
    max_examples=40,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
    database=None,
)
@given(experiment=GOOD.filter(lambda word: word.startswith("experiment=")), words=st.lists(WORDS, max_size=4), flags=FLAGS)
def test_no_command_line_ends_with_a_traceback(experiment: str, words: list[str], flags: list[str]):
    line = ["irg-run", experiment, "budget=smoke", *words, *flags]
    with pytest.MonkeyPatch.context() as patch, redirected() as errors:
        patch.setattr(sys, "argv", line)
        with pytest.raises(SystemExit) as exit_:
            cli.run()
    lines = errors.getvalue().splitlines()
    assert (exit_.value.code, len(lines)) in ((0, 0), (2, 1)), (line, lines)
    assert all(it.startswith("error: ") for it in lines)
