"""The commands: ``irg-run`` and ``irg-report``."""

import logging
import sys
from collections.abc import Sequence
from typing import Any

from irg_experiments import __version__
from irg_experiments.config import GROUPS, check_choices, check_overrides, choices, config_directory, description
from irg_experiments.errors import DivergedError, UserError

EXAMPLES = (
    ("LDA by implicit gradients on a generated corpus; minutes, no download", "irg-run experiment=lda"),
    ("the paper's perplexity on 20 Newsgroups", "irg-run experiment=lda method=implicit data=newsgroups budget=paper"),
    ("variance of the gradient, method by method; seconds", "irg-run experiment=cross_entropy"),
    ("a variational auto-encoder with codes on the torus; no download", "irg-run experiment=vae latent=von_mises data=digits"),
    ("three seeds, one after another", "irg-run -m experiment=lda data=bars seed=0,1,2"),
)

SWEEP = {"-m", "--multirun"}


def run() -> None:
    """``irg-run``: one experiment, or with -m a sweep of them."""
    # Hydra takes no overrides on both sides of an option
    sys.argv[1:] = arguments = sorted(sys.argv[1:], key=lambda argument: argument not in SWEEP)
    if "--help" in arguments or "-h" in arguments:
        print(help_text())
        return
    if "--version" in arguments:
        print(f"irg-experiments {__version__}")
        return
    _exit_on_error(_run_with_hydra, arguments)


def help_text() -> str:
    """What there is to choose from, without importing what only an experiment needs."""
    lines = ["irg-run: reproduce Implicit Reparameterization Gradients (Figurnov, Mohamed & Mnih 2018)", ""]
    lines += ["usage: irg-run [-m] [group=choice ...] [key=value ...]", ""]
    width = max(len(name) for group in GROUPS for name in choices(group))
    for group in GROUPS:
        if names := choices(group):
            lines.append(f"{group}=")
            lines += [f"  {name:{width}s} {description(group, name)}" for name in names]
    lines += ["", "examples:"]
    for purpose, command in EXAMPLES:
        lines += [f"  # {purpose}", f"  {command}"]
    lines += [
        "",
        "Any value of the config can be set the same way: seed=1 device=cuda training.learning_rate=1e-3 rerun=true.",
        "-m sweeps comma-separated values; --cfg job prints the config; --hydra-help tells more.",
        'Tab completion: eval "$(irg-run -sc install=bash)" (or zsh, fish).',
    ]
    return "\n".join(lines)


def _exit_on_error(function: Any, *arguments: Any) -> None:
    try:
        function(*arguments)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except DivergedError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("Interrupted. The same command goes on from the last checkpoint.", file=sys.stderr)
        sys.exit(130)


def _run_with_hydra(arguments: Sequence[str]) -> None:
    overrides = [argument for argument in arguments if not argument.startswith("-")]
    flags = {argument for argument in arguments if argument.startswith("-")}
    check_choices(overrides)
    if flags <= SWEEP:
        check_overrides(overrides, bool(flags))
    import hydra

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    job = _sweep_job if flags & SWEEP else _job
    hydra.main(config_path=str(config_directory()), config_name="config", version_base="1.3")(job)()
    if _refused:
        sys.exit(2)


def _job(config: Any) -> None:
    # hydra hides the traceback of exceptions; the ones for the user are to arrive as they are
    _exit_on_error(_run_experiment, config)


# what runs of a sweep could not do: the others are still run
_refused: list[UserError] = []


def _sweep_job(config: Any) -> None:
    _exit_on_error(_run_or_refuse, config)


def _run_or_refuse(config: Any) -> None:
    try:
        _run_experiment(config)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        _refused.append(error)


def _run_experiment(config: Any) -> None:
    from hydra.core.hydra_config import HydraConfig

    from irg_experiments.experiments import run_experiment

    run_experiment(config, list(HydraConfig.get().overrides.task))


def report() -> None:
    """``irg-report``: tables from the records of finished runs."""
    from irg_experiments.results.report import main

    _exit_on_error(main, sys.argv[1:])
