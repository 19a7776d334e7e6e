"""Errors that the command line reports in one line."""


class UserError(Exception):
    """Something the user can put right: shown without a traceback, with the remedy; exit code 2."""


class DivergedError(Exception):
    """The loss became NaN or infinite: the run has failed, its last good checkpoint is kept; exit code 1."""


class RunFailedError(Exception):
    """An unexpected error within a run, whose traceback was written to the run's directory; exit code 1."""
