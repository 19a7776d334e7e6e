"""experiment=vae: trains a variational auto-encoder and scores it by the likelihood of test images."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from irg_experiments.experiments.protocol import Experiment, Result
from irg_experiments.experiments.vae import results
from irg_experiments.experiments.vae.choices import choices_table, training_table
from irg_experiments.experiments.vae.config import VAEConfig
from irg_experiments.results.arrays import read_arrays, write_arrays
from irg_experiments.results.drawing import Figure
from irg_experiments.results.record import Record
from irg_experiments.results.table import Table

ARRAYS = "arrays.npz"


class VAEExperiment(Experiment):
    """The experiment of configs/experiment/vae.yaml."""

    Config = VAEConfig
    config: VAEConfig

    def prepare(self, device: Any, compiled: bool) -> None:
        """See ``Experiment``."""
        from irg_experiments.experiments.vae.task import VAETask

        self.task = VAETask(self.config, device, compiled, self.tree)

    def run(self, directory: Path) -> Result:
        """Trains until the validation bound stops improving or the budget ends; scores the best state on the test images."""
        result = self.task.train(directory)
        metrics = {**self.task.scores(), **result.metrics}
        return Result(metrics, result.wall_seconds, result.steps_per_second, self.task.method_label)

    def save(self, directory: Path) -> None:
        """Writes codes and images of the scored state."""
        write_arrays(directory / ARRAYS, self.task.arrays())

    @classmethod
    def tables(cls, records: Sequence[Record]) -> list[Table]:
        """See ``Experiment``."""
        compared = [results.objectives_table(records), choices_table(records), training_table(records)]
        return [table for table in (results.nll_table(records, compared), *compared) if table.rows]

    @classmethod
    def excerpts(cls, records: Sequence[Record]) -> list[Table]:
        """Likelihoods alone."""
        return [results.headline_table(records)]

    @classmethod
    def summary(cls, directory: Path, record: Record) -> list[Table]:
        """The metrics beside the paper's."""
        return [results.metrics_table(record)]

    @classmethod
    def figures(cls, directory: Path, record: Record) -> Iterator[Figure]:
        """See ``Experiment``."""
        from irg_experiments.experiments.vae import figures

        yield from figures.figures(directory, read_arrays(directory / ARRAYS))

    @classmethod
    def upgraded(cls, record: Record) -> Record:
        """See ``Experiment``."""
        return results.upgraded(record)
