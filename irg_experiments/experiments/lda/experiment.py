"""experiment=lda: trains a topic model and scores it by the perplexity of test documents."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from irg_experiments.experiments.lda import results
from irg_experiments.experiments.lda.config import LDAConfig
from irg_experiments.experiments.protocol import Experiment, Result
from irg_experiments.results.arrays import read_arrays, write_arrays
from irg_experiments.results.drawing import Figure
from irg_experiments.results.record import Record
from irg_experiments.results.table import Table
from irg_experiments.training.distributed import from_first

TOPICS = "topics.npz"


class LDAExperiment(Experiment):
    """The experiment of configs/experiment/lda.yaml."""

    Config = LDAConfig
    config: LDAConfig
    parallel = True

    def prepare(self, device: Any, compiled: bool) -> None:
        """See ``Experiment``."""
        from irg_experiments.experiments.lda.tasks import make_task

        self.task = make_task(self.config, device, compiled, self.tree)

    def run(self, directory: Path) -> Result:
        """Trains to the end of the budget, and evaluates."""
        result = self.task.train(directory)
        others = from_first(lambda: {**self.task.quality(), **self.task.known_metrics()})
        return Result({**result.metrics, **others}, result.wall_seconds, result.steps_per_second, self.task.label)

    def save(self, directory: Path) -> None:
        """Writes the topics."""
        write_arrays(directory / TOPICS, self.task.topics())

    @classmethod
    def tables(cls, records: Sequence[Record]) -> list[Table]:
        """See ``Experiment``."""
        return [results.perplexity_table(records), results.quality_table(records)]

    @classmethod
    def excerpts(cls, records: Sequence[Record]) -> list[Table]:
        """Perplexities of the paper's budget alone."""
        return [results.headline_table(records)]

    @classmethod
    def summary(cls, directory: Path, record: Record) -> list[Table]:
        """The metrics beside the paper's; the most probable words of each topic, unless the topics are pictures."""
        arrays = read_arrays(directory / TOPICS)
        words = [results.topic_table(arrays)] if arrays and "true_topics" not in arrays else []
        return [*words, results.metrics_table(record)]

    @classmethod
    def figures(cls, directory: Path, record: Record) -> Iterator[Figure]:
        """See ``Experiment``."""
        from irg_experiments.experiments.lda import figures

        yield from figures.figures(directory, record, read_arrays(directory / TOPICS))

    @classmethod
    def comparisons(cls, runs: Sequence[tuple[Path, Record]]) -> Iterator[Figure]:
        """Learning curves of all configurations."""
        from irg_experiments.experiments.lda import figures

        yield from figures.comparisons(runs)

    @classmethod
    def upgraded(cls, record: Record) -> Record:
        """See ``Experiment``."""
        return results.upgraded(record)
