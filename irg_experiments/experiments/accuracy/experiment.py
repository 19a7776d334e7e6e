"""experiment=accuracy: relative error and time of dz/dφ, beside automatic differentiation and other libraries."""

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from irg_experiments.experiments.accuracy import results
from irg_experiments.experiments.accuracy.config import AccuracyConfig
from irg_experiments.experiments.protocol import Experiment, Result
from irg_experiments.files import write_text
from irg_experiments.results.drawing import Figure
from irg_experiments.results.record import Record
from irg_experiments.results.table import Table


class AccuracyExperiment(Experiment):
    """The experiment of configs/experiment/accuracy.yaml."""

    Config = AccuracyConfig
    config: AccuracyConfig

    def prepare(self, device: Any, compiled: bool) -> None:
        """See ``Experiment``."""
        from irg_experiments.experiments.accuracy.measure import Comparison

        self.comparison = Comparison(self.config.measurement)

    def run(self, directory: Path) -> Result:
        """Measures errors and times."""
        start = time.perf_counter()
        self.comparison.run()
        seconds = time.perf_counter() - start
        return Result(self.comparison.metrics(), seconds, versions=self.comparison.versions)

    def save(self, directory: Path) -> None:
        """Writes errors and times by the first parameter."""
        write_text(directory / results.BY_SHAPE, json.dumps(self.comparison.by_shape()) + "\n")

    @classmethod
    def tables(cls, records: Sequence[Record]) -> list[Table]:
        """See ``Experiment``."""
        return [results.multiples_table(records), results.absolute_table(records)]

    @classmethod
    def excerpts(cls, records: Sequence[Record]) -> list[Table]:
        """This package beside other libraries."""
        return [results.headline_table(records)]

    @classmethod
    def figures(cls, directory: Path, record: Record) -> Iterator[Figure]:
        """See ``Experiment``."""
        from irg_experiments.experiments.accuracy import figures

        yield from figures.figures(results.read_by_shape(directory))

    @classmethod
    def upgraded(cls, record: Record) -> Record:
        """See ``Experiment``."""
        return results.upgraded(record)
