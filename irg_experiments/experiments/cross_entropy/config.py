"""The config of experiment=cross_entropy."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, Strict, ValidationInfo, field_validator, model_validator

from irg_experiments.config.components import Component, Methods
from irg_experiments.config.types import Count, Must, Real, Seed, ascending
from irg_experiments.config.validation import Misfit, Section
from irg_experiments.experiments.protocol import ExperimentConfig

# one gradient has no variance
Replicates = Annotated[int, Strict(), Field(ge=2, le=10**9), Must("a whole number of at least 2")]
Points = Annotated[int, Strict(), Field(ge=1, le=10**6), Must("a whole number from 1 to 1000000")]
Components = Annotated[int, Strict(), Field(ge=2, le=10**6), Must("a whole number from 2 to 1000000")]
Concentration = Annotated[float, Strict(), Field(gt=0, le=1e6), Must("a positive number of at most 1e6")]


def _different(values: tuple[float, ...]) -> tuple[float, ...]:
    if len(set(values)) < len(values):
        raise ValueError("a number is there twice")
    return values


Concentrations = Annotated[
    Concentration | Annotated[tuple[Concentration, ...], Field(min_length=1), AfterValidator(_different)],
    Must("a positive number of at most 1e6, or a list of different ones, such as [1.0, 10.0]"),
]
Subtracted = Annotated[
    tuple[Literal["nothing", "mean", "best"], ...],
    Field(min_length=1),
    AfterValidator(_different),
    Must("a list of nothing, mean and best, each once at most"),
]

Sweep = Annotated[
    tuple[Concentration, Concentration],
    AfterValidator(ascending),
    Must("two positive numbers of at most 1e6, the smaller first, such as [1.01, 3.0]"),
]


class Measurement(Section):
    """What both distributions share.

    Attributes:
        points: values of the swept parameter.
        blocks: in which the gradients are computed; the methods take turns, block by block, so that they share a busy machine.
        dtype: of parameters and samples.
        compiled: what is compiled if anything is: the whole step of every method, by ``torch.compile``, or special functions
            and sample derivatives alone, which leaves most of other methods than the implicit one uncompiled.
        subtracted: what is subtracted from f, each in a row of its own, for methods whose variance depends on constants in f:
            nothing; its mean under q at each point; or the constant with the least variance at each point, estimated from as
            many other gradients.
    """

    points: Points
    blocks: Count
    dtype: Literal["float32", "float64"]
    compiled: Literal["special_functions", "steps"] = "special_functions"
    subtracted: Subtracted = ("nothing",)


class DirichletSettings(Section):
    """q = Dirichlet(prior + counts) but for its first concentration, which is swept; p(θ, counts) is the joint density.

    Attributes:
        replicates: one-sample gradients per point, a multiple of ``measurement.blocks``.
        components: of θ.
        trials: the sum of the multinomial counts.
        prior: concentration of each component.
        counts_seed: of the counts.
        sweep: the least and the largest first concentration, evenly spaced between.
        constant: that of log p, which changes no gradient: "joint", of the joint density; "notebook", the same without
            −Σ ln x_k!, as in the code of Naesseth et al. for a first component of one trial; or "none".
    """

    replicates: Replicates
    components: Components
    trials: Count
    prior: Concentration
    counts_seed: Seed
    sweep: Sweep
    constant: Literal["joint", "notebook", "none"] = "joint"


class VonMisesSettings(Section):
    """q = vM(0, κ) with κ swept; p = vM(loc, concentration).

    Attributes:
        replicates: one-sample gradients per point, a multiple of ``measurement.blocks``.
        loc: of p, radians.
        concentration: of p, κp; each of several is a sweep of its own.
        sweep: the least and the largest κ, evenly spaced between on a logarithmic scale.
    """

    replicates: Replicates
    loc: Real
    concentration: Concentrations
    sweep: Sweep

    @property
    def concentrations(self) -> tuple[float, ...]:
        """κp, of each sweep."""
        return self.concentration if isinstance(self.concentration, tuple) else (self.concentration,)


class CrossEntropyConfig(ExperimentConfig):
    """The sections besides the keys that every experiment has.

    Attributes:
        method: an ``Estimator`` to measure alone, or null.
        methods: estimators to compare; ``method`` takes their place where it is given.
        measurement, dirichlet, von_mises: see there.
    """

    pilot: ClassVar[tuple[str, ...]] = ("measurement.points=10", "dirichlet.replicates=100", "von_mises.replicates=1000")

    method: Component | None = None
    methods: Annotated[Methods, Field(min_length=1)]
    measurement: Measurement
    dirichlet: DirichletSettings
    von_mises: VonMisesSettings

    @field_validator("methods")
    @classmethod
    def _only_method(cls, methods: list[Component], info: ValidationInfo) -> list[Component]:
        # the methods that are not measured must not count in the identity of the run
        method = info.data.get("method")
        return methods if method is None else [method]

    @model_validator(mode="before")
    @classmethod
    def _method_or_methods(cls, values: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        tree = (info.context or {}).get("tree")
        if tree is None or values.get("method") is None:
            return values
        if values.get("methods") != tree.load("experiment", values["experiment"]).get("methods"):
            raise Misfit("method measures one estimator alone, and methods compares several: leave out one of the two.")
        return values

    @model_validator(mode="after")
    def _blocks_of_equal_size(self) -> Self:
        blocks = self.measurement.blocks
        for name, replicates in (("dirichlet", self.dirichlet.replicates), ("von_mises", self.von_mises.replicates)):
            if replicates % blocks:
                raise Misfit(
                    f"measurement.blocks must divide {name}.replicates, {replicates}, without remainder, not {blocks}."
                )
        return self

    def work(self) -> float:
        """Gradients of each method."""
        von_mises = len(self.von_mises.concentrations) * self.von_mises.replicates
        return float(self.measurement.points * (self.dirichlet.replicates + von_mises))

    def labels(self) -> tuple[str, ...]:
        """See ``ExperimentConfig``."""
        return () if self.method is None else (self.method.name,)


def per_block(replicates: int, blocks: int) -> int:
    """One-sample gradients per point and block: replicates / blocks rounded down, and at least one."""
    return max(replicates // blocks, 1)
