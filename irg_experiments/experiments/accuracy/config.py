"""The config of experiment=accuracy."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, Strict

from irg_experiments.config.types import Boolean, Count, Must
from irg_experiments.config.validation import Section
from irg_experiments.experiments.protocol import ExperimentConfig

# of each first parameter alone, a tenth of the elements are timed
Elements = Annotated[int, Strict(), Field(ge=10, le=10**9), Must("a whole number of at least 10")]


class Measurement(Section):
    """How processor time is measured; errors are those at the reference points.

    Attributes:
        elements: evaluated by one call.
        rounds: calls of each derivative, of which the median counts.
        time_by_shape: whether each first parameter is timed alone as well, for the figure.
    """

    elements: Elements
    rounds: Count
    time_by_shape: Boolean = True


class AccuracyConfig(ExperimentConfig):
    """The sections besides the keys that every experiment has.

    Attributes:
        device: the derivatives of other libraries are those of the CPU.
        measurement: see there.
    """

    pilot: ClassVar[tuple[str, ...]] = ("measurement.elements=3000",)

    device: Literal["cpu"]
    measurement: Measurement

    def work(self) -> float:
        """Elements that are evaluated by each method."""
        return float(self.measurement.elements * self.measurement.rounds)
