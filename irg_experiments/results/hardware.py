"""Where the numbers of a table come from: processors, threads, versions and code."""

from collections import Counter
from collections.abc import Sequence

from irg_experiments.results.record import Record, code_of
from irg_experiments.results.table import Table

HEADER = ["processor", "cores", "instruction set", "threads", "device", "compiled", "torch", "code", "runs"]


def hardware_table(experiment: str, records: Sequence[Record]) -> Table:
    """One row per kind of machine and code; a dash where an early record does not say."""
    counts = Counter(_row(record) for record in records)
    rows = [[*row, str(number)] for row, number in sorted(counts.items())]
    return Table(f"{experiment}_hardware", "Machines and code", HEADER, rows, labels=len(HEADER) - 1)


def _row(record: Record) -> tuple[str, ...]:
    machine = record.get("machine") or {}
    told = [machine.get(key) for key in ("cpu", "cores", "instruction_set", "threads")]
    threads = told[3] or record["config"].get("threads")
    device = machine.get("gpu") if record["device"] != "cpu" else "cpu"
    values = [*told[:3], threads, device, record["compile"], record["versions"].get("torch"), code_of(record)]
    return tuple("–" if value is None else str(value) for value in values)


def processor_of(record: Record) -> str:
    """The name of the processor that computed, or else the kind of device."""
    machine, device = record.get("machine") or {}, record["device"]
    return str(machine.get("cpu" if device == "cpu" else "gpu") or device)
