"""Errors that the command line reports in one line."""

import signal
import tempfile
import traceback


class UserError(Exception):
    """Something the user can put right: shown without a traceback, with the remedy; exit code 2."""


class DivergedError(Exception):
    """The loss became NaN or infinite: the run has failed, its last good checkpoint is kept; exit code 1."""


class RunFailedError(Exception):
    """An unexpected error within a run, whose traceback was written to the run's directory; exit code 1."""


class LeaseLostError(Exception):
    """Another process took over the run's directory, where nothing may be written any more; exit code 1."""


class Interrupted(KeyboardInterrupt):
    """A signal that asks the process to end; in a sweep it ends the sweep.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        self.signal = signal.Signals(number)
        super().__init__(number)  # what pickle makes it from, between processes of a sweep

    def __str__(self) -> str:
        how = "The same command without rerun=true goes on from the last checkpoint, or begins again."
        return f"Interrupted by {self.signal.name}. {how}"

    @property
    def exit_code(self) -> int:
        """128 plus the signal's number, as shells have it: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP."""
        return 128 + self.signal


def unexpected(error: Exception) -> RunFailedError:
    """An error that nobody foresaw, in one line; its traceback is kept in a temporary file."""
    with tempfile.NamedTemporaryFile("w", prefix="irg-traceback-", suffix=".txt", delete=False, encoding="utf-8") as file:
        traceback.print_exception(error, file=file)
    return RunFailedError(
        f"{type(error).__name__}: {error}. This is a mistake in irg-experiments; its traceback is in {file.name}."
    )
