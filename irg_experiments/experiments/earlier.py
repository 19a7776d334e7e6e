"""What an earlier run left in a run directory: its record and its code, and how it makes way for a new one."""

import logging
import os
import shutil
from pathlib import Path

from irg_experiments.errors import UserError
from irg_experiments.results.collect import REPLACED, checked
from irg_experiments.results.record import RECORD, Record, code_of, git_commit, read_record, versions
from irg_experiments.results.schema import VERSIONS
from irg_experiments.training.files import has_checkpoint, set_aside

log = logging.getLogger(__name__)


def finished(directory: Path) -> Record | None:
    """The record of a run that is done; None if there is none that can be read."""
    try:
        record = _usable(directory)
    except Exception:  # whatever a damaged record may raise
        return None
    return record if record["status"] == "done" else None


def earlier_record(directory: Path, rerun: bool) -> Record | None:
    """The record of an earlier run. A damaged one is named and moved aside, unless the directory is to make way as a whole.

    Raises:
        UserError: the record is of a later version of the package.
    """
    path = directory / RECORD
    if not os.path.lexists(path):
        return None
    try:
        return _usable(directory)
    except Exception as error:  # whatever a damaged record may raise
        reason = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}."
    if rerun:
        return None
    if _of_a_later_version(directory):
        raise UserError(f"{path} cannot be read: {reason} Move it away, or repeat the run by rerun=true.")
    aside = set_aside(path, ".damaged")
    then = "goes on from its checkpoint" if has_checkpoint(directory) else "is repeated"
    log.warning("%s is damaged: %s It was moved to %s, and the run %s.", path, reason, aside.name, then)
    return None


def _usable(directory: Path) -> Record:
    record = checked(read_record(directory))
    if record["status"] == "done" and not record["metrics"]:
        raise UserError("its status is done, but it has no metrics.")
    return record


def _of_a_later_version(directory: Path) -> bool:
    version = (read_record(directory) or {}).get("schema_version")
    return type(version) is int and version > max(VERSIONS)  # type(): True is an int, too


def code_before(resumed: Record, made_of: dict[str, str]) -> list[str]:
    """The code that began a run, where other code goes on with it.

    Args:
        resumed: its record.
        made_of: today's source files, see ``sources``.
    """
    before, now = _differing_code(resumed, made_of)
    return list(dict.fromkeys([*resumed["earlier_code"], *([before] if before != now else [])]))


def made_by_other_code(earlier: Record, made_of: dict[str, str]) -> str:
    """Words for a run that other code than today's has made, or none; the arguments are those of ``code_before``."""
    before, now = _differing_code(earlier, made_of)
    return "" if before == now else f", by other code ({before}, this is {now})"


def _differing_code(earlier: Record, made_of: dict[str, str]) -> tuple[str, str]:
    """The code of a record and today's in words, without what they share, nor classes of which the record says nothing."""
    recorded = {target: digest for target, digest in earlier.get("sources", {}).items() if target in made_of}
    before = [code_of(earlier), *(f"{target} {digest}" for target, digest in recorded.items())]
    now = [
        code_of({"git_commit": git_commit(), "versions": versions()}),
        *(f"{target} {made_of[target]}" for target in recorded),
    ]
    differing = [pair for pair in zip(before, now, strict=True) if pair[0] != pair[1]]
    return ", ".join(old for old, _ in differing), ", ".join(new for _, new in differing)


def replaced(directory: Path) -> Path:
    """Where a finished run is while its successor computes."""
    return directory.with_name(directory.name + REPLACED)


def make_way(directory: Path, earlier: Record | None) -> None:
    """Keeps a finished run until its successor is done; what was left of an unfinished one is removed.

    Args:
        directory: of the run.
        earlier: its record; None if it cannot be read.

    Raises:
        UserError: the directory cannot be moved.
    """
    try:
        if not os.path.lexists(directory):
            return
        if (earlier is None and (directory / RECORD).exists()) or (earlier is not None and earlier["status"] == "done"):
            _remove(replaced(directory))
            directory.rename(replaced(directory))
        else:
            _remove(directory)
    except OSError as error:
        raise UserError(f"{directory} cannot be moved aside ({error.strerror}). Nothing was run.") from error


def remove_replaced(directory: Path) -> None:
    """Removes the run that ``make_way`` kept."""
    try:
        _remove(replaced(directory))
    except OSError as error:
        log.warning("%s could not be removed (%s).", replaced(directory), error.strerror)


def _remove(path: Path) -> None:
    """Removes a folder, or the link to one."""
    if path.is_symlink():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
