import logging
from pathlib import Path

import numpy as np
import pytest

from irg_experiments.data.cache import cached_arrays


def test_a_folder_in_the_place_of_a_cached_file_is_named_and_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    place = tmp_path / "data" / "counts.npz"
    (place / "mine").mkdir(parents=True)
    made: list[int] = []

    def make() -> dict[str, np.ndarray]:
        made.append(1)
        return {"a": np.arange(3)}

    with caplog.at_level(logging.INFO):
        for _ in range(2):
            assert cached_arrays("counts.npz", tmp_path / "data", make)["a"].tolist() == [0, 1, 2]
    assert f"{place} cannot be read" in caplog.messages[0]
    assert made == [1]  # the second time from the user's cache
    assert [path.name for path in place.parent.iterdir()] == ["counts.npz"]
    assert (place / "mine").exists()
