"""Output that cannot fail a run: a closed pipe, a full disk and a terminal without Unicode cost the text alone."""

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator

log = logging.getLogger(__name__)


def prepare_streams() -> None:
    """Output to a closed stream is discarded; characters that the terminal cannot show become question marks."""
    for name in ("stdin", "stdout", "stderr"):
        # Python has None in place of a stream that the shell closed
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), "r" if name == "stdin" else "w"))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def prepare_logging() -> None:
    """Log messages go to stderr as they are, without those by which libraries tell of themselves."""
    # torch's own, at its first use of torch.func and of torch.compile
    warnings.filterwarnings("ignore", message="`torch.jit.script", category=FutureWarning)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    # torch's compiler looks for CUDA on machines that have none, and says so
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    for library in ("hydra", "hydra_plugins"):
        logging.getLogger(library).setLevel(logging.WARNING)  # launchers list their jobs
    logging.getLogger("matplotlib").setLevel(logging.WARNING)  # it tells when it looks for fonts


@contextlib.contextmanager
def forgiving_output() -> Iterator[None]:
    """Output that cannot be written ends the block early: quietly for a closed pipe, with one line of log otherwise."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        discard_the_rest()
    except (OSError, UnicodeError) as error:
        discard_the_rest()
        log.warning("The output could not be printed (%s). irg-report prints it again.", error)


def discard_the_rest() -> None:
    """Points standard output at nothing, or the interpreter would fail once more when it flushes at its end."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
