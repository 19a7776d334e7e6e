"""A table, and how it is written: for a terminal, as Markdown, as CSV."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

import rich.table
from rich.console import Console
from rich.text import Text


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
    """

    name: str
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    labels: int = 1
    page_only: tuple[str, ...] = ()


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
    """Prints the table, in lines as long as its numbers need; a narrower terminal wraps them."""
    print(rendered(table), end="")


def rendered(table: Table, width: int | None = None) -> str:
    """The table as ``print_table`` prints it, or with cells wrapped so that lines have at most the width."""
    shown = [column for column, name in enumerate(table.header) if name not in table.page_only]
    drawn = rich.table.Table()
    for column in shown:
        justify = "left" if column < table.labels else "right"
        drawn.add_column(Text(table.header[column]), justify=justify)  # type: ignore[arg-type]
    for row in table.rows:
        drawn.add_row(*(Text(row[column]) for column in shown))
    console = Console()
    console.width = width or max(
        console.width, console.measure(drawn, options=console.options.update(max_width=10_000)).maximum
    )
    with console.capture() as capture:  # rich would end the process at a closed pipe
        console.print(Text(table.title), style="italic", highlight=False, soft_wrap=True)
        console.print(drawn)
    return capture.get()
