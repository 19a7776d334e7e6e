"""Errors that the command line reports in one line."""

import tempfile
import traceback


class UserError(Exception):
    """Something the user can put right: shown without a traceback, with the remedy; exit code 2."""


class DivergedError(Exception):
    """The loss became NaN or infinite: the run has failed, its last good checkpoint is kept; exit code 1."""


class RunFailedError(Exception):
    """An unexpected error within a run, whose traceback was written to the run's directory; exit code 1."""


def unexpected(error: Exception) -> RunFailedError:
    """An error that nobody foresaw, in one line; its traceback is kept in a temporary file."""
    with tempfile.NamedTemporaryFile("w", prefix="irg-traceback-", suffix=".txt", delete=False, encoding="utf-8") as file:
        traceback.print_exception(error, file=file)
    return RunFailedError(
        f"{type(error).__name__}: {error}. This is a mistake in irg-experiments; its traceback is in {file.name}."
    )
