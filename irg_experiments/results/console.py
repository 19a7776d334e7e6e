"""Where tables are printed."""

from rich.console import Console


def wide_console(width: int) -> Console:
    """A console at least so many characters wide, so that no number is cut off; a narrower terminal wraps the lines."""
    return Console(width=max(Console().width, width))
