"""What every file of configs/data promises; tests of a data set's own are in the file of its name."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints

import hydra
import pytest
from omegaconf import OmegaConf

from irg_experiments.config import config_directory
from irg_experiments.data import ImageData, TopicData

FILES = sorted((config_directory() / "data").glob("*.yaml"))
OFFLINE = ("bars", "digits")


def options(path: Path) -> dict[str, Any]:
    """The keys of a file, its interpolations resolved."""
    config: Any = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
    return config


def target(path: Path) -> Callable[..., Any]:
    load: Callable[..., Any] = hydra.utils.get_method(options(path)["_target_"])
    return load


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_names_a_function_whose_annotations_tell_its_kind_and_options(path: Path):
    hints, parameters = get_type_hints(target(path)), inspect.signature(target(path)).parameters
    keys = options(path).keys() - {"_target_", "name", "note", "recommended"}
    assert keys <= parameters.keys() <= hints.keys()
    assert hints["root"] is Path
    assert hints["return"] in (TopicData, ImageData)
    assert options(path)["name"] == path.stem
    assert path.read_text().startswith("# ")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_topic_data_recommend_a_number_of_topics(path: Path):
    is_topic_data = get_type_hints(target(path))["return"] is TopicData
    assert ("topics" in options(path).get("recommended", {})) == is_topic_data


@pytest.mark.parametrize("name", OFFLINE)
def test_data_sets_without_files_ignore_the_root(name: str, tmp_path: Path):
    root = tmp_path / "absent"
    data = target(config_directory() / "data" / f"{name}.yaml")(root=root)
    assert len(data.train) > len(data.test) > 0
    assert not root.exists()
