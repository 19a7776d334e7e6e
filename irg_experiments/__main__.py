"""Where the console scripts begin: they say what to install where the core is installed alone.

``python -m irg_experiments`` is ``irg-run``.
"""

import importlib
import sys
from types import ModuleType

from irg_experiments.errors import UserError
from irg_experiments.installation import require_dependencies


def run() -> None:
    """``irg-run``: one experiment, or with -m a sweep of them."""
    _cli("irg-run").run()


def report() -> None:
    """``irg-report``: tables and figures from the records of finished runs."""
    _cli("irg-report").report()


def _cli(command: str) -> ModuleType:
    """The module of the commands, whose imports take seconds."""
    try:
        require_dependencies(command)
        return importlib.import_module("irg_experiments.cli")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"{command} was interrupted before it began.", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    run()
