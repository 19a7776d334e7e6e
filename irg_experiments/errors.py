"""Errors that the command line reports in one line, with the remedy."""


class UserError(Exception):
    """Something the user can put right: shown without a traceback, exit code 2."""


class DivergedError(Exception):
    """Training left the finite numbers: the run has failed, its last good checkpoint stays; exit code 1."""
