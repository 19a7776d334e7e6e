"""What the page shows of the runs below folders, before it is HTML."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from irg_experiments.config.tree import ConfigTree
from irg_experiments.results.aggregate import apart_by_code, command, mixtures, repetitions
from irg_experiments.results.collect import Run, by_experiment, runs_below, tables_of
from irg_experiments.results.drawing import Figure, until_an_error
from irg_experiments.results.hardware import hardware_table, processor_of
from irg_experiments.results.metrics import Metric, metrics_of
from irg_experiments.results.page.pictures import Picture, drawn
from irg_experiments.results.record import RECORD, Record, code_of
from irg_experiments.results.table import Table

log = logging.getLogger(__name__)

# figures of a page; those of further runs are left to pages of their own
MOST_PICTURES = 400


class Row(NamedTuple):
    """A row of a table.

    Attributes:
        cells: text.
        anchor: of the configuration that its numbers come from; None if the table does not tell.
        mixed: whether runs of several commits were averaged.
    """

    cells: Sequence[str]
    anchor: str | None
    mixed: bool


class ShownTable(NamedTuple):
    """A table without its columns of commands, which stand with the configurations.

    Attributes:
        name, title, header: see ``Table``.
        kinds: per column, "label" or "number", and "paper" for numbers that a paper prints.
        rows: with the configurations that they come from.
        mixtures: which rows are averages over several commits, in words.
    """

    name: str
    title: str
    header: Sequence[str]
    kinds: Sequence[str]
    rows: Sequence[Row]
    mixtures: Sequence[str]


@dataclass(frozen=True)
class ShownRun:
    """A run of a configuration.

    Attributes:
        directory, record: of the run.
        code: that made it, in words.
        processor: that computed.
        pictures: its figures.
    """

    directory: Path
    record: Record
    code: str
    processor: str
    pictures: Sequence[Picture]


@dataclass(frozen=True)
class Configuration:
    """Repetitions that differ in the seed alone.

    Attributes:
        anchor: of its place on the page.
        name: that of the run's folder, without seed and hash.
        label: of the method, where there is one.
        command: that repeats all of its runs.
        config: of the first run, as YAML.
        metrics: over the runs.
        runs: by seed.
    """

    anchor: str
    name: str
    label: str | None
    command: str
    config: str
    metrics: Sequence[Metric]
    runs: Sequence[ShownRun]


@dataclass(frozen=True)
class Section:
    """All that is shown of an experiment."""

    name: str
    description: str
    statuses: Mapping[str, int]
    tables: Sequence[ShownTable]
    pictures: Sequence[Picture]
    configurations: Sequence[Configuration]
    hardware: ShownTable


class Unfinished(NamedTuple):
    """A run that has no result (yet).

    Attributes:
        directory, record: of the run.
        step: that was logged last; None if nothing was.
    """

    directory: Path
    record: Record
    step: int | None


@dataclass(frozen=True)
class Content:
    """The page.

    Attributes:
        sections: one per experiment.
        unfinished: runs that failed or go on.
        left_out: what could not be read or shown, a sentence each.
    """

    sections: Sequence[Section]
    unfinished: Sequence[Unfinished]
    left_out: Sequence[str]


@dataclass
class Pictures:
    """Draws figures, those of a run that did not change once.

    Attributes:
        most: figures of a page; what is beyond is left out.
        count: of those on the present page.
    """

    most: int = MOST_PICTURES
    count: int = 0
    _known: dict[tuple[str, tuple[int, ...]], Picture | None] = field(default_factory=dict)
    _earlier: dict[tuple[str, tuple[int, ...]], Picture | None] = field(default_factory=dict)

    def begin(self) -> None:
        """Begins a page; figures that the last one did not have are forgotten."""
        self.count, self._earlier, self._known = 0, self._known, {}

    def of(self, place: str, figures: Iterator[Figure], directories: Sequence[Path]) -> list[Picture]:
        """The figures that can be drawn, in their order.

        Args:
            place: where they are from, for messages and as part of their names.
            figures: to draw.
            directories: of the runs that they are made of.
        """
        stamp = tuple(time for directory in directories for time in _times(directory))
        found = []
        for figure in until_an_error(figures, place):
            if self.count >= self.most:
                break
            name = f"{place}/{figure.name}"
            key = name, stamp
            self._known[key] = picture = self._earlier[key] if key in self._earlier else drawn(figure, name)
            if picture is not None:
                self.count += 1
                found.append(picture)
        return found


def _times(directory: Path) -> tuple[int, int]:
    """When a run's record and the files beside it were written; they may be gone by now."""
    try:
        return (directory / RECORD).stat().st_mtime_ns, directory.stat().st_mtime_ns
    except OSError:
        return 0, 0


class _Heard(logging.Handler):
    """Keeps messages."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps the message."""
        self.messages.append(record.getMessage())


def content(paths: Sequence[Path], pictures: Pictures | None = None, by_code: bool = False) -> Content:
    """What there is to show of the runs below the paths.

    Args:
        paths: folders, or records.
        pictures: draws the figures.
        by_code: whether no mean is taken over runs of different commits.
    """
    pictures = pictures or Pictures()
    pictures.begin()
    heard, logger = _Heard(), logging.getLogger("irg_experiments.results")
    logger.addHandler(heard)
    try:
        sections, unfinished = [], []
        found = list(runs_below(paths))
        if by_code:
            found = [(directory, apart_by_code(record)) for directory, record in found]
        for experiment, runs in by_experiment(found):
            finished = [run for run in runs if run[1]["status"] == "done"]
            unfinished += [
                Unfinished(directory, record, _last_step(experiment, directory))
                for directory, record in runs
                if record["status"] != "done"
            ]
            if finished:
                sections.append(_section(experiment, runs, finished, pictures))
        if pictures.count >= pictures.most:
            log.warning(
                "Only the first %d figures are on this page; irg-report FOLDER --html shows those of a folder.", pictures.most
            )
    finally:
        logger.removeHandler(heard)
    return Content(sections, unfinished, heard.messages)


def _begun(figures: Callable[..., Iterable[Figure]], *arguments: Any) -> Iterator[Figure]:
    """The figures, whose first one is begun only when it is asked for, where errors are told and passed over."""
    yield from figures(*arguments)


def _last_step(experiment: Any, directory: Path) -> int | None:
    try:
        rows = experiment.history(directory)
    except Exception as error:  # of a user's class, or of a file that is being moved
        log.warning("The steps of %s cannot be read (%s: %s).", directory, type(error).__name__, error)
        return None
    return rows[-1]["step"] if rows else None


def _section(experiment: Any, runs: Sequence[Run], finished: Sequence[Run], pictures: Pictures) -> Section:
    name = finished[0][1]["experiment"]
    records = [record for _, record in finished]
    tables = tables_of(experiment.tables, finished)
    directories = {id(record): directory for directory, record in finished}
    groups = _in_the_order_of(tables, repetitions(records))
    anchors = {id(record): f"{name}-{number}" for number, group in enumerate(groups, 1) for record in group}
    return Section(
        name=name,
        description=_description(name),
        statuses=Counter(record["status"] for _, record in runs),
        tables=[_shown(table, anchors) for table in tables],
        pictures=pictures.of(f"{name} of several runs", _begun(experiment.comparisons, finished), [it for it, _ in finished]),
        configurations=[_configuration(experiment, group, directories, anchors, pictures) for group in groups],
        hardware=_shown(hardware_table(name, records), {}),
    )


def _in_the_order_of(tables: Sequence[Table], groups: list[list[Record]]) -> list[list[Record]]:
    """The groups as the rows of the tables have them; those of no row last."""
    places: dict[int, int] = {}
    for row in (row for table in tables for row in table.made_of):
        places.setdefault(id(row[0]), len(places))
    return sorted(groups, key=lambda group: places.get(id(group[0]), len(places)))


def _description(experiment: str) -> str:
    """What an experiment of the package measures, in words; empty for others."""
    tree = ConfigTree()
    return tree.description("experiment", experiment).removesuffix(".") if experiment in tree.choices("experiment") else ""


def _shown(table: Table, anchors: Mapping[int, str]) -> ShownTable:
    columns = [column for column, name in enumerate(table.header) if name not in table.page_only]
    mixed = mixtures(table)
    groups = table.made_of or [()] * len(table.rows)
    rows = [
        Row([row[column] for column in columns], anchors.get(id(group[0])) if group else None, number in mixed)
        for number, (row, group) in enumerate(zip(table.rows, groups, strict=True))
    ]
    header = [table.header[column] for column in columns]
    kinds = [
        "label" if column < table.labels else "number paper" if "paper" in name else "number"
        for column, name in zip(columns, header, strict=True)
    ]
    return ShownTable(table.name, table.title, header, kinds, rows, list(mixed.values()))


def _configuration(
    experiment: Any, group: Sequence[Record], directories: Mapping[int, Path], anchors: Mapping[int, str], pictures: Pictures
) -> Configuration:
    first = group[0]
    runs = []
    for record in group:
        directory = directories[id(record)]
        figures = pictures.of(str(directory), _begun(experiment.figures, directory, record), [directory])
        runs.append(ShownRun(directory, record, code_of(record), processor_of(record), figures))
    return Configuration(
        anchor=anchors[id(first)],
        name=runs[0].directory.name.removesuffix(f"-{first['identity']}").removesuffix(f"-seed{first['seed']}"),
        label=first.get("method_label"),
        command=command(group),
        config=_yaml(first["config"]),
        metrics=metrics_of(group),
        runs=runs,
    )


def _yaml(config: Mapping[str, Any]) -> str:
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # the one in C is ten times as fast
    text: str = yaml.dump(dict(config), Dumper=dumper, sort_keys=False, allow_unicode=True, default_flow_style=None)
    return text.rstrip()
