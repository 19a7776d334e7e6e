"""``irg-report``: tables and figures of the finished runs below folders."""

import argparse
import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from irg_experiments import __version__
from irg_experiments.config.command_line import Parser
from irg_experiments.config.tree import unknown
from irg_experiments.errors import UserError
from irg_experiments.files import write_text
from irg_experiments.results.aggregate import apart_by_code, mixtures
from irg_experiments.results.collect import Run, by_experiment, collect, require_records, tables_of
from irg_experiments.results.drawing import Figure, draw
from irg_experiments.results.export import TRACKERS, export
from irg_experiments.results.hardware import hardware_table
from irg_experiments.results.latex import latex
from irg_experiments.results.metrics import metrics_table
from irg_experiments.results.page import content, html
from irg_experiments.results.record import Record
from irg_experiments.results.table import Table, comma_separated, markdown, print_table
from irg_experiments.results.watch import PORT, watch

OUTPUTS = Path("outputs")

log = logging.getLogger(__name__)


def main(arguments: Sequence[str]) -> None:
    """Shows the runs below folders: prints tables by default, or writes, serves or exports what the options ask for.

    Raises:
        UserError: there is nothing to show, or a file cannot be written.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    paths = [Path(os.path.expanduser(path)) for path in options.paths]
    if options.help:
        print(parser.format_help(), end="")
    elif options.version:
        print(f"irg-experiments {__version__}")
    elif options.watch:
        watch(paths, options.port, options.by_code)
    elif options.html is not None:
        require_records(paths)
        _write(options.html, html(content(paths, by_code=options.by_code), paths))
    elif options.export is not None:
        print(export(options.export, _finished(paths), options.to or OUTPUTS / "trackers" / options.export))
    else:
        _show(paths, options)


def _show(paths: Sequence[Path], options: argparse.Namespace) -> None:
    """Prints the tables, or with --update writes them into Markdown files; with --figures draws the pictures again."""
    finished = _finished(paths)
    if options.by_code:
        finished = [(directory, apart_by_code(record)) for directory, record in finished]
    tables = list(_tables(finished, all_of_them=options.update is not None or options.table is not None))
    if not tables:
        raise UserError(f"No table can be made of the finished runs below {_listed(paths)}.")
    if options.table is not None:
        tables = _chosen(tables, options.table)
    if options.update is not None:
        files = options.update or _pages(paths)
        if not files:
            raise UserError(f"No Markdown file in {_listed(paths)} has marks for tables; name one.")
        for file in files:
            update(file, tables)
    else:
        _print(tables, options.format)
    if options.figures:
        _draw_again(finished, paths[0])


def _draw_again(finished: Sequence[Run], folder: Path) -> None:
    """Draws the figures of all runs into their directories, and those of several runs into a folder; prints the paths."""
    for experiment, runs in by_experiment(finished):
        for directory, record in runs:
            for path in draw(directory, experiment.figures(directory, record), again=True):
                print(path)
        for path in draw(folder, _comparisons(experiment, runs), again=True):
            print(path)


def _finished(paths: Sequence[Path]) -> list[Run]:
    found = collect(paths)
    finished = [run for run in found if run[1]["status"] == "done"]
    if not finished:
        failed = sum(record["status"] == "failed" for _, record in found)
        raise UserError(
            f"No finished run below {_listed(paths)}: {failed} failed, {len(found) - failed} unfinished. "
            "The command in an unfinished run's record.json resumes it."
        )
    if len(finished) < len(found):
        counts = Counter(record["status"] for _, record in found if record["status"] != "done")
        states = ", ".join(f"{number} {status}" for status, number in sorted(counts.items()))
        remedy = "irg-report --html lists them"
        log.warning("%d of %d runs are in no table: %s; %s.", len(found) - len(finished), len(found), states, remedy)
    return finished


def _listed(paths: Sequence[Path]) -> str:
    return ", ".join(map(str, paths))


def _chosen(tables: Sequence[Table], name: str) -> list[Table]:
    chosen = [table for table in tables if table.name == name]
    if not chosen:
        raise UserError(unknown("table", name, [table.name for table in tables]))
    return chosen


def _port(word: str) -> int:
    port = int(word)
    if not 0 <= port < 65536:
        raise argparse.ArgumentTypeError(f"{word} is no port: take one from 1024 to 65535, or 0 for a free one")
    return port


def _parser() -> Parser:
    # argparse's own --help ignores errors of the output
    parser = Parser(prog="irg-report", description="Tables and figures of finished runs.", add_help=False, allow_abbrev=False)
    parser.add_argument("-h", "--help", action="store_true", help="print this text")
    parser.add_argument("paths", nargs="*", default=[str(OUTPUTS)], help="folders of runs, or records (default: outputs)")
    parser.add_argument(
        "--format",
        choices=["terminal", "markdown", "csv", "latex"],
        default="terminal",
        help="how tables are printed; csv is one table, its standard deviations in columns of their own",
    )
    parser.add_argument(
        "--table", metavar="NAME", help="show the table of this name only; csv needs it where there are several"
    )
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--html", type=Path, metavar="FILE", help="write one page with all tables, figures and runs")
    instead.add_argument("--watch", action="store_true", help="serve this page on this machine, and follow a sweep with it")
    instead.add_argument("--export", choices=list(TRACKERS), help="write the finished runs to the store of a tracker")
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="of this store (default: outputs/trackers/<tracker>)")
    parser.add_argument(
        "--port",
        type=_port,
        metavar="PORT",
        default=PORT,
        help=f"of --watch (default: {PORT}; 0 takes a free one)",
    )
    parser.add_argument("--by-code", action="store_true", help="take no mean over runs of different commits")
    parser.add_argument(
        "--figures",
        action="store_true",
        help="draw the figures of all runs again, and those that compare runs into figures/ of the first path",
    )
    instead.add_argument(
        "--update",
        nargs="*",
        type=Path,
        metavar="FILE",
        help="write the tables between their marks in these Markdown files; without a name in all *.md of the folders",
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    return parser


def _pages(folders: Sequence[Path]) -> list[Path]:
    """The Markdown files of the folders that have marks."""
    files = sorted(file for folder in folders for file in folder.glob("*.md"))
    return [file for file in files if GENERATED in file.read_text(encoding="utf-8")]


def _tables(finished: Sequence[Run], all_of_them: bool) -> Iterator[Table]:
    """The tables of all experiments that have rows; on request also excerpts of them, the hardware and all metrics."""
    for experiment, runs in by_experiment(finished):

        def make(records: Sequence[Record], experiment: Any = experiment) -> list[Table]:
            made: list[Table] = experiment.tables(records)
            if all_of_them:
                name = records[0]["experiment"]
                made += [*experiment.excerpts(records), hardware_table(name, records), metrics_table(name, records)]
            return made

        yield from tables_of(make, runs)


def _comparisons(experiment: Any, runs: Sequence[Run]) -> Iterator[Figure]:
    """The pictures over several runs, named by the experiment, too: those of all experiments share a folder."""
    for figure in experiment.comparisons(runs):
        yield figure._replace(name=f"{runs[0][1]['experiment']}_{figure.name}")


def _write(file: Path, text: str) -> None:
    try:
        write_text(file, text)
    except OSError as error:
        raise UserError(f"{file} cannot be written ({error.strerror}). Name another file.") from error
    print(file)


def _print(tables: Sequence[Table], style: str) -> None:
    if style == "terminal":
        for table in tables:
            print_table(table)
            for line in mixtures(table).values():
                print(f"Average over several commits: {line}")
    elif style == "latex":
        print("\n\n".join(map(latex, tables)))
    elif style == "markdown":
        print("\n\n".join(f"## {table.title}\n\n{markdown(table)}" for table in tables))
    elif len(tables) > 1:
        names = " or ".join(dict.fromkeys(table.name for table in tables))
        raise UserError(f"--format csv prints one table: choose it by --table {names}.")
    else:
        print(comma_separated(tables[0]))


GENERATED = "generated by irg-report"


def marks(name: str) -> tuple[str, str]:
    """The lines before and after the table of that name in a Markdown file."""
    return f"<!-- {name}: {GENERATED} -->", f"<!-- end of {name} -->"


def update(file: Path, tables: Sequence[Table]) -> None:
    """Rewrites each table between its marks in a Markdown file; tables that it has no marks for are left out.

    Raises:
        UserError: the file does not exist, cannot be written, or has marks for none of the tables.
    """
    try:
        write_text(file, replace_tables(file.read_text(encoding="utf-8"), tables, str(file)))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be rewritten ({error}). --update takes existing Markdown files.") from error


def replace_tables(text: str, tables: Sequence[Table], name: str = "The file") -> str:
    """The text with each table between its marks replaced.

    Raises:
        UserError: it has marks for none of them.
    """
    present = [table for table in tables if all(mark in text for mark in marks(table.name))]
    if not present:
        if not tables:
            raise UserError(f"There is no table to put into {name}.")
        example = " and ".join(map(repr, marks(tables[0].name)))
        raise UserError(f"{name} has no lines {example} to put a table between.")
    for table in present:
        begin, end = marks(table.name)
        head, _, rest = text.partition(begin)
        text = f"{head}{begin}\n{markdown(table)}\n{end}{rest.partition(end)[2]}"
    return text
