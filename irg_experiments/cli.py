"""The commands: ``irg-run`` and ``irg-report``."""

import contextlib
import logging
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from irg_experiments import __version__
from irg_experiments.config.command_line import Arguments, parse, resolved
from irg_experiments.config.composition import compose, telling_errors_of_hydra, version_base
from irg_experiments.config.presets import with_preset
from irg_experiments.config.sweeps import each_row, key_of
from irg_experiments.config.tree import GROUPS, LAUNCH, PRESET, SWEEP, ConfigTree, config_directory
from irg_experiments.errors import DivergedError, Interrupted, LeaseLostError, RunFailedError, UserError, unexpected
from irg_experiments.results.console import discard_the_rest, prepare_logging, prepare_streams
from irg_experiments.training import distributed

log = logging.getLogger(__name__)
# whether the user asks for the traceback behind an error that is told in one line
FULL_ERROR = os.environ.get("IRG_FULL_ERROR") == "1"
EXAMPLES = (
    ("LDA by implicit gradients on a generated corpus; minutes, no download", "irg-run experiment=lda"),
    ("the paper's perplexity on 20 Newsgroups", "irg-run experiment=lda method=implicit data=newsgroups budget=paper"),
    ("variance of the gradient, method by method; seconds", "irg-run experiment=cross_entropy"),
    ("a variational auto-encoder with codes on the torus; no download", "irg-run experiment=vae latent=von_mises data=digits"),
    ("three seeds, one after another", "irg-run -m experiment=lda data=bars seed=0,1,2"),
)


def run() -> None:
    """``irg-run``: one experiment, or with -m a sweep of them."""
    _exit_with(lambda: _run_with_others(sys.argv[1:]))


def report() -> None:
    """``irg-report``: tables and figures from the records of finished runs."""

    def show() -> int:
        from irg_experiments.results.report import main

        _import_from_current_folder()
        main(sys.argv[1:])
        return 0

    _exit_with(show)


def help_text(tree: ConfigTree) -> str:
    """What there is to choose from, without importing what only an experiment needs."""
    lines = ["irg-run: reproduce Implicit Reparameterization Gradients (Figurnov, Mohamed & Mnih 2018)", ""]
    lines += ["usage: irg-run [-m] [--config-dir FOLDER] [group=choice ...] [key=value ...]", ""]
    width = max(len(name) for group in GROUPS for name in tree.choices(group))
    for group in GROUPS:
        lines.append(f"{group}=")
        lines += [f"  {name:{width}s} {tree.description(group, name)}" for name in tree.choices(group)]
    for prefix, group in (("-m ", SWEEP), ("", PRESET), ("-m ", LAUNCH)):
        lines.append(f"{prefix}+{group}=")
        lines += [f"  {name:{width}s} {tree.description(group, name)}" for name in tree.choices(group)]
    lines += ["budget=", "  smoke (seconds: does it run?), short (minutes: a visible result), paper (as in the tables)"]
    lines += ["", "examples:"]
    for purpose, command in EXAMPLES:
        lines += [f"  # {purpose}", f"  {command}"]
    lines += [
        "",
        "Any value of the config can be set the same way: seed=1 device=cuda training.learning_rate=1e-3 rerun=true.",
        "-m sweeps comma-separated values; --cfg job prints the config; --config-dir FOLDER adds options of your own.",
        'Tab completion: eval "$(irg-run -sc install=bash)" (or zsh, fish).',
    ]
    return "\n".join(lines)


def _exit_with(function: Callable[[], int]) -> None:
    """Ends the process with the function's exit code; an error that it raises is told in one line."""
    prepare_streams()
    prepare_logging()
    try:
        code = _exit_code(function)
        sys.stdout.flush()
    except BrokenPipeError:
        discard_the_rest()
        code = 0
    except OSError as error:
        _tell(f"The output cannot be written: {error.strerror or error}.")
        discard_the_rest()
        code = 1
    sys.exit(code)


def _exit_code(function: Callable[[], int]) -> int | str | None:
    """The function's exit code, or that of the error that ends it. Raises OSError if the output cannot be written."""
    try:
        return function()
    except OSError as error:
        if error.filename is None:  # standard output has none
            raise
        return _told(error)
    except SystemExit as error:  # of argparse and of Hydra
        return error.code
    except KeyboardInterrupt as error:
        interruption = error if isinstance(error, Interrupted) else Interrupted(signal.SIGINT)
        if distributed.is_first():
            print(interruption, file=sys.stderr, flush=True)
            distributed.tell_others()
        return interruption.exit_code
    except Exception as error:
        return _told(error)


def _told(error: Exception) -> int:
    """Prints an error in one line, and returns the exit code that goes with it; an unexpected one leaves its traceback."""
    code = 2 if isinstance(error, UserError) else 1
    if distributed.told_by_first(error):
        return code
    if isinstance(error, UserError | DivergedError | RunFailedError | LeaseLostError):
        if error.__cause__ is not None and FULL_ERROR:
            traceback.print_exception(error)
        _tell(str(error))
        return code
    _tell(str(unexpected(error)))
    return code


def _tell(message: str) -> None:
    print(f"error: {' '.join(message.split())}", file=sys.stderr, flush=True)
    distributed.tell_others()


def _run_with_others(words: list[str]) -> int:
    """``_run``, in each of the processes that torchrun started, if it did; all but the first are silent."""
    with distributed.joined():
        if not distributed.is_first():
            discard_the_rest()
            logging.disable(logging.CRITICAL)
            warnings.simplefilter("ignore")
        return _run(words)


def _run(words: list[str]) -> int:
    arguments = parse(words)
    if arguments.help:
        print(help_text(arguments.tree))
        return 0
    if arguments.version:
        print(f"irg-experiments {__version__}")
        return 0
    if arguments.sweep:
        distributed.require_one_process("-m")
    if arguments.tree.extra:
        _import_from_current_folder()
    rows = [with_preset(row) for row in each_row(arguments)]
    if arguments.sweep and not arguments.passed_on and not any(map(_has_own_sweeper, rows)):
        return _sweep(rows)
    if not arguments.passed_on or arguments.show:
        for row in rows:
            _check(row)
    for row in rows:
        _run_with_hydra(row)
    return 0


def _sweep(rows: list[Arguments]) -> int:
    from irg_experiments.sweeps.sweep import run_sweep
    from irg_experiments.sweeps.tune import tune

    search = rows[0].search
    return run_sweep(rows) if search is None else tune(rows[0], search)


def _has_own_sweeper(arguments: Arguments) -> bool:
    """Whether one of Hydra's sweepers is set up, which then chooses the runs."""
    return any(key_of(word).startswith(("hydra/sweeper", "hydra.sweeper")) for word in arguments.overrides)


def _check(arguments: Arguments) -> None:
    """Everything that can be wrong before torch is imported."""
    from irg_experiments.experiments.runner import make_experiment

    config = compose(arguments)
    if not arguments.show:
        make_experiment(resolved(config), arguments.tree)
    elif "--resolve" in arguments.passed_on:
        resolved(config)


def _import_from_current_folder() -> None:
    """Makes a user's own modules importable from where the command is typed, as ``python -m`` would."""
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())


@contextlib.contextmanager
def _raising_errors_of_hydra() -> Iterator[None]:
    """Hydra raises its errors within it, in place of printing them in many lines."""
    name = "HYDRA_FULL_ERROR"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


def _run_with_hydra(arguments: Arguments) -> None:
    """One run, what is to be printed instead of it, or the runs that another sweeper of Hydra chooses."""
    import hydra

    from irg_experiments.sweeps.job import Job

    failures: list[Exception] = []

    def single_run(config: Any) -> None:
        from hydra.core.hydra_config import HydraConfig

        from irg_experiments.experiments.runner import run_experiment

        try:
            run_experiment(config, list(HydraConfig.get().overrides.task), arguments.tree)
        except Exception as error:  # Hydra would print more than one line
            failures.append(error)

    job = Job(arguments.tree) if arguments.sweep else single_run
    sys.argv[1:] = arguments.for_hydra()
    with telling_errors_of_hydra(), _raising_errors_of_hydra():
        hydra.main(config_path=str(config_directory()), config_name="config", **version_base())(job)()
    if failures:
        raise failures[0]
