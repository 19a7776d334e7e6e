"""experiment=cross_entropy: variance, bias and time of one-sample gradients of a cross-entropy, by method."""

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from irg_experiments.experiments.cross_entropy import results
from irg_experiments.experiments.cross_entropy.config import CrossEntropyConfig
from irg_experiments.experiments.protocol import Experiment, Result
from irg_experiments.files import write_text
from irg_experiments.results.drawing import Figure
from irg_experiments.results.record import Record
from irg_experiments.results.table import Table


class CrossEntropyExperiment(Experiment):
    """The experiment of configs/experiment/cross_entropy.yaml."""

    Config = CrossEntropyConfig
    config: CrossEntropyConfig

    def prepare(self, device: Any, compiled: bool) -> None:
        """See ``Experiment``."""
        from irg_experiments.experiments.cross_entropy.measure import Comparison

        self.comparison = Comparison(self.config, device, compiled, self.tree)

    def run(self, directory: Path) -> Result:
        """Estimates the variance of every method at every point."""
        start = time.perf_counter()
        self.comparison.run()
        seconds = time.perf_counter() - start
        alone = self.comparison.estimators[0].label if self.config.method is not None else None
        return Result(self.comparison.metrics(), seconds, method_label=alone)

    def save(self, directory: Path) -> None:
        """Writes the curves."""
        write_text(directory / results.CURVES, json.dumps(self.comparison.points()) + "\n")

    @classmethod
    def tables(cls, records: Sequence[Record]) -> list[Table]:
        """See ``Experiment``."""
        return [results.variance_table(records)]

    @classmethod
    def excerpts(cls, records: Sequence[Record]) -> list[Table]:
        """The best-known methods alone."""
        return [results.headline_table(records)]

    @classmethod
    def summary(cls, directory: Path, record: Record) -> list[Table]:
        """A table per distribution."""
        return results.tables_by_distribution(record)

    @classmethod
    def figures(cls, directory: Path, record: Record) -> Iterator[Figure]:
        """See ``Experiment``."""
        from irg_experiments.experiments.cross_entropy import figures

        yield from figures.figures(results.read_curves(directory))

    @classmethod
    def upgraded(cls, record: Record) -> Record:
        """See ``Experiment``."""
        return results.upgraded(record)
