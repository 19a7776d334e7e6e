"""What every estimator states about itself, for each file of configs/method."""

import pytest
from torch.distributions import Distribution

from irg_experiments.estimators import RSVI, Estimator, MeasureValued, PathwiseOMT, ScoreFunction, supports
from irg_experiments.implicit import Dirichlet, Gamma, VonMises
from irg_experiments.training.svi import SVI
from tests.options import build, estimators, names

LABELS = {
    "explicit": "explicit",
    "finite_difference": "finite difference",
    "generalized": "G-REP",
    "implicit": "implicit",
    "knowles": "Knowles",
    "measure_valued": "measure-valued",
    "pathwise_omt": "pathwise (OMT)",
    "rsvi": "RSVI, B = 1",
    "score_function": "score function",
}


def test_every_method_is_an_estimator_or_does_without():
    for name in set(names("method")) - set(estimators()):
        assert isinstance(build("method", name), SVI), name


@pytest.mark.parametrize("name", estimators())
def test_every_option_file_makes_a_usable_estimator(name: str):
    estimator = build("method", name)
    assert estimator.label
    assert all(issubclass(family, Distribution) for family in estimator.families)
    for family in (Dirichlet, Gamma, VonMises):
        assert supports(type(estimator), family) == supports(estimator, family)


@pytest.mark.parametrize("name", LABELS)
def test_labels(name: str):
    assert build("method", name).label == LABELS[name]


def test_labels_distinguish_the_variants_of_a_method():
    assert build("method", "rsvi", augmentation=5).label == "RSVI, B = 5"
    assert RSVI(0, correction=False).label == "RSVI, B = 0, no correction"
    assert ScoreFunction("none").label == "score function, no baseline"
    assert ScoreFunction("moving_average", decay=0.9).label == "score function, moving average, decay = 0.9"


def test_a_label_for_a_family_leaves_out_options_without_effect():
    assert RSVI(5).label_for(Dirichlet) == "RSVI, B = 5"
    assert RSVI(5).label_for(VonMises) == "RSVI"
    assert RSVI(5, correction=False).label_for(VonMises) == "RSVI, no correction"
    assert ScoreFunction("none").label_for(VonMises) == ScoreFunction("none").label
    assert RSVI(5, baseline="leave_one_out").label_for(VonMises) == "RSVI, leave-one-out"


def test_only_measure_valued_gradients_are_elementwise():
    assert MeasureValued.elementwise
    assert not any(build("method", name).elementwise for name in LABELS if name != "measure_valued")


def test_pathwise_estimators_are_those_that_draw_by_an_rsample():
    assert {name for name in LABELS if build("method", name).pathwise} == {"explicit", "implicit", "pathwise_omt"}


def test_a_class_without_a_label_or_an_expectation_is_abstract():
    class Unlabelled(PathwiseOMT):
        label = Estimator.label

    class Unfinished(Estimator):
        label = "unfinished"
        families = (Gamma,)

    for incomplete in (Estimator, Unlabelled, Unfinished):
        with pytest.raises(TypeError, match="abstract"):
            incomplete()
