"""Tables whose rows come from several configurations, with columns that tell these apart where there is more than one."""

from collections.abc import Sequence

from irg_experiments.results.aggregate import command
from irg_experiments.results.record import Record
from irg_experiments.results.table import Table

Row = tuple[Sequence[Record], list[str]]


def grouped_table(name: str, title: str, header: Sequence[str], rows: Sequence[Row], labels: int) -> Table:
    """A table of rows that several groups of records contribute to.

    Rows of several budgets are sorted by budget, which becomes the first column. Repetitions are counted in a column ``runs``,
    and several groups are named by a column ``command``.

    Args:
        name, title, header, labels: see ``Table``.
        rows: each with the group of repetitions that it was made of.
    """
    groups = list({id(group): group for group, _ in rows}.values())
    budgets = {group[0]["budget"] for group in groups}
    repeated = any(len(group) > 1 for group in groups)
    before = ["budget"] if len(budgets) > 1 else []
    after = [*(["runs"] if repeated else []), *(["command"] if len(groups) > 1 else [])]

    def extended(group: Sequence[Record], cells: list[str]) -> list[str]:
        told = {"budget": group[0]["budget"], "runs": str(len(group)), "command": f"`{command(group)}`"}
        return [*(told[column] for column in before), *cells, *(told[column] for column in after)]

    ordered = sorted(rows, key=lambda row: row[0][0]["budget"])
    cells = [extended(group, cells) for group, cells in ordered]
    made_of = [group for group, _ in ordered]
    return Table(name, title, [*before, *header, *after], cells, labels + len(before), ("command",), made_of)
