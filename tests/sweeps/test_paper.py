"""``budget=smoke make paper`` leaves out no experiment, method or latent space."""

import re
import shlex
from pathlib import Path

from irg_experiments.config import ConfigTree
from irg_experiments.config.command_line import parse
from irg_experiments.config.sweeps import each_row
from irg_experiments.sweeps.plan import Run, planned

MAKEFILE = (Path(__file__).parents[2] / "Makefile").read_text()
TREE = ConfigTree()


def values_of(variable: str) -> list[str]:
    """The words of all assignments to a variable of the Makefile."""
    found = re.findall(rf"^{variable} [:+]= (.*)$", MAKEFILE, re.MULTILINE)
    return [word for line in found for word in shlex.split(line)]


def rehearsed() -> list[Run]:
    sweeps = {sweep: values_of(f"REHEARSED_{sweep}") for sweep in values_of("PAPER")}
    assert {"accuracy", "cross_entropy", "lda_table", "vae_table", "rehearsal"} == set(sweeps)
    rows = [
        row for sweep, words in sweeps.items() for row in each_row(parse(["-m", f"+sweep={sweep}", "budget=smoke", *words]))
    ]
    return planned(rows)


def test_the_rehearsal_is_complete_and_needs_no_network():
    settings = [run.settings for run in rehearsed()]
    chosen = {group: {getattr(getattr(it, group, None), "name", None) for it in settings} for group in ("method", "latent")}
    chosen["method"] |= {method.name for it in settings for method in getattr(it, "methods", [])}
    assert {it.experiment for it in settings} == set(TREE.choices("experiment"))
    assert chosen["method"] - {None} == set(TREE.choices("method"))
    assert chosen["latent"] - {None} == set(TREE.choices("latent"))
    assert {it.data.name for it in settings if getattr(it, "data", None)} == {"bars", "digits"}
    assert {it.budget for it in settings} == {"smoke"}
