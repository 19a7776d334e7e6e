"""A table, and how it is written: for a terminal, as Markdown, as CSV."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

import rich.box
import rich.table
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from irg_experiments.results.record import Record


@dataclass(frozen=True)
class Table:
    """Cells of text under a header.

    Attributes:
        name: of the table, as in the marks of a Markdown file.
        title: what it shows, in words.
        header: one name per column.
        rows: cells.
        labels: how many of the first columns are text; the others are numbers, aligned to the right.
        page_only: columns that terminals leave out, such as long commands.
        made_of: per row, the records of the runs that its numbers come from; empty if a table does not tell.
    """

    name: str
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    labels: int = 1
    page_only: tuple[str, ...] = ()
    made_of: Sequence[Sequence[Record]] = ()


def markdown(table: Table) -> str:
    """A Markdown table."""
    rule = ["---" if column < table.labels or name in table.page_only else "--:" for column, name in enumerate(table.header)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (table.header, rule, *table.rows))


def comma_separated(table: Table) -> str:
    """Comma-separated values with a header, for programs.

    Numbers are plain: no thousands separators and no "×", percentages as fractions, NaN for what is not finite and nothing for
    a dash. A column of means with standard deviations becomes two, the second named with " std".
    """
    columns: dict[str, list[str]] = {}
    for number, name in enumerate(table.header):
        cells = [row[number] for row in table.rows]
        unique = name if name not in columns else f"{name} {list(table.header[:number]).count(name) + 1}"
        if number < table.labels or name in table.page_only:
            columns[unique] = [cell.strip("`") for cell in cells]
            continue
        parts = [[_plain(part) for part in cell.split(" ± ")] for cell in cells]
        columns[unique] = [part[0] for part in parts]
        if any(len(part) > 1 for part in parts):
            columns[f"{unique} std"] = [part[1] if len(part) > 1 else "" for part in parts]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return file.getvalue().removesuffix("\n")


def _plain(cell: str) -> str:
    """A number as programs read it; text as it is."""
    if cell in ("–", "not finite"):
        return "" if cell == "–" else "nan"
    number = cell.removesuffix("×").replace(",", "")
    try:
        value = float(number.removesuffix("%"))
    except ValueError:
        return cell
    return f"{value / 100:.10g}" if number.endswith("%") else number


def print_table(table: Table) -> None:
    """Prints the table, in lines as long as its numbers need; a narrower terminal wraps them.

    The box is drawn here: rich, see ``wrapped``, takes milliseconds per row.
    """
    console = Console()
    box = rich.box.HEAVY_HEAD.substitute(console.options)
    shown = [column for column, name in enumerate(table.header) if name not in table.page_only]
    header, *rows = ([_printable(row[column]) for column in shown] for row in (table.header, *table.rows))
    widths = [max(map(cell_len, cells)) for cells in zip(header, *rows, strict=True)]
    labels = sum(column < table.labels for column in shown)

    def line(cells: Sequence[str], left: str, between: str, right: str) -> str:
        padded = [_padded(cell, width, column < labels) for column, (cell, width) in enumerate(zip(cells, widths, strict=True))]
        return left + between.join(padded) + right

    outer = [width + 2 for width in widths]
    body = [line(row, box.mid_left, box.mid_vertical, box.mid_right) for row in rows]
    with console.capture() as capture:  # rich would end the process at a closed pipe
        console.print(Text(_printable(table.title)), style="italic", highlight=False, soft_wrap=True)
        console.print(Text(box.get_top(outer)), highlight=False, soft_wrap=True)
        names = line(header, box.head_left, box.head_vertical, box.head_right)
        console.print(Text(names, style="bold"), highlight=False, soft_wrap=True)
    print(capture.get() + "\n".join([box.get_row(outer, "head"), *body, box.get_bottom(outer)]))


def wrapped(table: Table, width: int) -> str:
    """The table in lines of at most that many characters; long cells take several of them."""
    drawn = rich.table.Table(title=Text(_printable(table.title)), title_justify="left")
    for name in table.header:
        drawn.add_column(Text(name))
    for row in table.rows:
        drawn.add_row(*(Text(_printable(cell)) for cell in row))
    console = Console(width=width)
    with console.capture() as capture:
        console.print(drawn)
    return capture.get()


def _padded(cell: str, width: int, is_label: bool) -> str:
    space = " " * (width - cell_len(cell))
    return f" {cell}{space} " if is_label else f" {space}{cell} "


def _printable(cell: str) -> str:
    """The cell without characters that would move a terminal's cursor or change its colours."""
    return cell if cell.isprintable() else "".join(it if it.isprintable() else "?" for it in cell)
