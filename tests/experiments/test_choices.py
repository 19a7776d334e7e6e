"""Messages name the options that go together, those of a user among them, and leave out what cannot be used."""

from pathlib import Path

import pytest
import torch

from irg_experiments.config import ConfigTree
from irg_experiments.config.components import Component
from irg_experiments.data import TopicData
from irg_experiments.errors import UserError
from irg_experiments.estimators import Estimator, Implicit, ScoreFunction
from irg_experiments.experiments.choices import check_estimate, check_kind, check_made, methods_for
from irg_experiments.implicit import Dirichlet, Gamma
from irg_experiments.models.topic_model import TopicModel


@pytest.fixture
def tree(tmp_path: Path) -> ConfigTree:
    def add(group: str, name: str, text: str) -> None:
        path = tmp_path / group / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    add("method", "mine", "name: mine\n_target_: irg_experiments.estimators.Implicit\n")
    add("method", "unfinished", "_target_: irg_experiments.estimators.Implicit\n")
    add("method", "nowhere", "name: nowhere\n_target_: my_irg.nowhere.Estimator\n")
    add("method", "abstract", "name: abstract\n_target_: irg_experiments.estimators.Estimator\n")
    add("method", "model", "name: model\n_target_: irg_experiments.models.lda.LDA\n")
    add("model", "big_lda", "name: big_lda\n_target_: irg_experiments.models.lda.LDA\n")
    return ConfigTree((tmp_path,))


def test_unusable_options_are_no_choices(tree: ConfigTree):
    methods = methods_for(Gamma, tree)
    assert {"implicit", "mine", "score_function"} <= set(methods)
    assert not {"unfinished", "nowhere", "abstract", "model"} & set(methods)


def test_methods_whose_gradient_flows_through_the_samples_alone(tree: ConfigTree):
    assert methods_for(Gamma, tree, pathwise=True) == ["implicit", "mine", "pathwise_omt"]


def test_kinds(tree: ConfigTree):
    check_kind(Component(_target_="irg_experiments.data.bars.load", name="bars"), TopicData, "documents", "lda", tree)
    vae = Component(_target_="irg_experiments.models.vae.VAE", name="vae")
    with pytest.raises(UserError) as error:
        check_kind(vae, TopicModel, "a topic model", "lda", tree, "model")
    message, _, choices = str(error.value).partition(" Choose model=")
    assert message == "experiment=lda takes a topic model, not model=vae."
    assert {"big_lda", "lda"} <= set(choices.rstrip(".").split(" or ")) <= set(tree.choices("model")) - {"vae"}


class Detached(Implicit):
    def expectation(self, f, q, num_samples=1):
        return super().expectation(f, q, num_samples).detach()


class Summed(Implicit):
    def expectation(self, f, q, num_samples=1):
        return super().expectation(f, q, num_samples).sum()


METHOD = Component(_target_="mine.Mine", name="mine")
CPU = torch.device("cpu")


def posteriors() -> Dirichlet:
    return Dirichlet(torch.ones(4, 3, requires_grad=True))


def test_an_estimate_of_the_wrong_shape_or_without_a_gradient_is_refused():
    with pytest.raises(UserError, match=r"^method=mine: Summed\.expectation must return .* here \(4,\), not of shape \(\)\.$"):
        check_estimate(METHOD, Summed(), posteriors(), 2, CPU)
    with pytest.raises(UserError, match=r"^method=mine: Detached\.expectation must return an estimate with a gradient"):
        check_estimate(METHOD, Detached(), posteriors(), 2, CPU)


@pytest.mark.parametrize("estimator", [Implicit(), ScoreFunction("moving_average")])
def test_checking_an_estimate_changes_nothing(estimator: Estimator):
    before = torch.get_rng_state()
    check_estimate(METHOD, estimator, posteriors(), 1, CPU)
    assert torch.equal(before, torch.get_rng_state())
    assert not estimator.state_dict()


def test_what_a_data_set_returns_is_checked():
    with pytest.raises(UserError, match=r"^data=mine: mine\.Mine must return TopicData, not tuple\.$"):
        check_made((), TopicData, METHOD)
