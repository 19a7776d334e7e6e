"""Messages name the options that go together, those of a user among them, and leave out what cannot be used."""

from pathlib import Path

import pytest

from irg_experiments.config import ConfigTree
from irg_experiments.config.components import Component
from irg_experiments.data import TopicData
from irg_experiments.errors import UserError
from irg_experiments.experiments.choices import check_kind, methods_for
from irg_experiments.implicit import Gamma
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
