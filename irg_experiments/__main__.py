"""Where the console scripts begin: they say what to install where the core is installed alone.

``python -m irg_experiments`` is ``irg-run``.
"""

import sys

from irg_experiments.errors import UserError
from irg_experiments.installation import require_experiments


def run() -> None:
    """``irg-run``: one experiment, or with -m a sweep of them."""
    _check("irg-run")
    from irg_experiments import cli

    cli.run()


def report() -> None:
    """``irg-report``: tables and figures from the records of finished runs."""
    _check("irg-report")
    from irg_experiments import cli

    cli.report()


def _check(command: str) -> None:
    try:
        require_experiments(command)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    run()
