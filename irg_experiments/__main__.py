"""``python -m irg_experiments`` is ``irg-run``."""

from irg_experiments.cli import run

run()
