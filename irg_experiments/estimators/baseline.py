"""Baselines, which are subtracted from f where an estimator multiplies it by a score, and the class of such estimators.

A score s has mean zero, so that E[(f(z) − b) s] = E[f(z) s] for every b that does not depend on the sample z. A large constant
in f, which changes no gradient, adds about its square times E[s²] to the variance; a baseline near the mean of f removes it.
Without a score, as in implicit reparameterization, f enters by its derivative alone and there is nothing to subtract.
"""

from typing import Any, Literal

import torch
from torch import Tensor

from irg_experiments.config.types import Fraction, Real
from irg_experiments.estimators.base import Estimator

Kind = Literal["none", "auto", "constant", "leave_one_out", "moving_average"]
Constant = Real | None


class Baseline:
    """b of E[(f(z) − b) s], which lowers the variance and does not change the mean.

    Args:
        kind: "none"; "constant"; "leave_one_out", for each sample the mean of f over the other samples of the call; "auto",
            "leave_one_out" for several samples and "none" for one; "moving_average", a single number: the exponential moving
            average of f over all earlier calls that record gradients, zero at the first.
        constant: b of "constant", in units of f.
        decay: of the moving average, 0 ≤ decay < 1.

    Raises:
        ValueError: a constant is missing, or given where it has no effect.

    Source: Williams (1992); the moving average in Mnih & Gregor (2014), leave-one-out by Kool et al. (2019).
    """

    def __init__(self, kind: Kind = "none", constant: Constant = None, decay: Fraction = 0.99) -> None:
        if kind == "constant" and constant is None:
            raise ValueError("baseline=constant needs a number: set constant, in units of f, such as constant=-700.")
        if kind != "constant" and constant is not None:
            raise ValueError(f"constant={constant:g} has no effect with baseline={kind}: add baseline=constant.")
        self.kind, self.constant, self.decay = kind, constant, decay
        self._average: Tensor | None = None

    @property
    def words(self) -> str:
        """What labels of methods say, after a comma."""
        return {
            "none": "no baseline",
            "auto": "automatic baseline",
            "constant": f"baseline {self.constant}",
            "leave_one_out": "leave-one-out",
            "moving_average": f"moving average, decay = {self.decay:g}",
        }[self.kind]

    @property
    def is_fixed(self) -> bool:
        """Whether, for a single sample, b is the same whatever f is, so that a constant added to f changes the variance."""
        return self.kind in ("none", "auto", "constant")

    @property
    def has_state(self) -> bool:
        """Whether b depends on earlier calls."""
        return self.kind == "moving_average"

    def check_num_samples(self, num_samples: int) -> None:
        """Raises ValueError if there are too few samples per call."""
        if self.kind == "leave_one_out" and num_samples < 2:
            raise ValueError("baseline=leave_one_out is the mean over the other samples and needs at least 2, not 1")

    def __call__(self, values: Tensor) -> Tensor | float | None:
        """b for the values of a call, which the moving average then takes up; None if there is none.

        Args:
            values: of f, without gradient, of shape (num_samples, ...).

        Returns:
            Independent of the sample that each value belongs to; broadcasts against ``values``.

        Raises:
            ValueError: leave-one-out with one sample.
        """
        self.check_num_samples(len(values))
        if self.kind == "constant":
            return self.constant
        if self.kind == "moving_average":
            return self._take_up(values)
        if self.kind == "none" or len(values) == 1:
            return None
        return (values.sum(0) - values) / (len(values) - 1)

    def _take_up(self, values: Tensor) -> Tensor | None:
        earlier = None if self._average is None else self._average.to(values)  # a checkpoint's is on the CPU
        if torch.is_grad_enabled():
            mean = values.mean()
            self._average = mean if earlier is None else torch.lerp(mean, earlier, self.decay)
        return earlier

    def state_dict(self) -> dict[str, Any]:
        """The moving average, if there is one yet."""
        return {} if self._average is None else {"average": self._average}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what ``state_dict`` returned; an empty one is that of the beginning."""
        self._average = state.get("average")


class Scored(Estimator):
    """Base of estimators that multiply f less a baseline by a score; a subclass sets the baseline."""

    baseline: Baseline
    for_fewer_samples = "baseline=moving_average"

    def check_num_samples(self, num_samples: int) -> None:
        """See ``Estimator``."""
        self.baseline.check_num_samples(num_samples)

    @property
    def has_state(self) -> bool:
        """See ``Estimator``."""
        return self.baseline.has_state

    def state_dict(self) -> dict[str, Any]:
        """See ``Estimator``."""
        return self.baseline.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See ``Estimator``."""
        if self.has_state:
            self.baseline.load_state_dict(state)
