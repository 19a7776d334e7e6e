"""Fixtures of the tests of experiments."""

import pytest

from tests.experiments.tiny import Tiny


@pytest.fixture(autouse=True)
def _tiny_as_new(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("refuse", False), ("fail", False), ("bad_figure", False), ("runs", 0)):
        monkeypatch.setattr(Tiny, name, value)
