"""Options of a ``_target_`` are checked against its signature, and nothing but the signature says what they are."""

from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from pydantic import TypeAdapter

from irg_experiments.config.components import Component, build, check, check_makes, returned_type
from irg_experiments.config.types import Count, Folder, Limits, Widths
from irg_experiments.errors import UserError
from irg_experiments.estimators import Estimator
from irg_experiments.implicit.distributions.base import Reparameterizable


class Thing:
    def __init__(
        self, size: int, count: Count, widths: Widths, limits: Limits = (1.0, 2.0), mode: Literal["a", "b"] = "a"
    ) -> None:
        if count == 13:
            raise ValueError("thirteen brings bad luck")
        self.arguments = (size, count, list(widths), tuple(limits), mode)


class Open:
    def __init__(self, **anything: int) -> None:
        self.anything = anything


class Unfinished(Estimator):
    families = (Reparameterizable,)


class Untyped:
    def __init__(self, size: "Nowhere") -> None:  # type: ignore[name-defined]  # noqa: F821
        self.size = size


class Broken:
    def __init__(self, error: str) -> None:
        if error == "memory":
            torch.empty(2**60)
        raise RuntimeError("no luck.")


class Nested:
    def __init__(self, **inner: Any) -> None:
        self.inner = inner["inner"]


def load_anything(root: Path):
    return [len(root.parts)]


def load(root: Path, number: Count = 3) -> list[int]:
    return [number, len(root.parts)]


def component(name: str = "Thing", **options: object) -> Component:
    return Component(target=f"{__name__}.{name}", name="mine", **options)


def test_options_and_runtime_arguments_reach_the_constructor():
    thing = build(component(count=2, widths=[3, 4], mode="b"), "thing", size=7)
    assert thing.arguments == (7, 2, [3, 4], (1.0, 2.0), "b")
    assert build(component("Open", foo=1), "thing").anything == {"foo": 1}
    assert build(component("load", root="a/b"), "data") == [3, 2]
    assert returned_type(component("load"), "data") == list[int]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widths": [1]}, "thing.count is missing: it must be a whole number of at least 1."),
        ({"count": 0, "widths": [1]}, "thing.count must be a whole number of at least 1, not 0."),
        (
            {"count": 1, "widths": [1.5]},
            "thing.widths must be a list of whole numbers of at least 1, such as [300, 300], not [1.5].",
        ),
        ({"count": 1, "widths": [1], "mode": "c"}, "thing.mode must be a or b, not 'c'."),
        (
            {"count": 1, "widths": [1], "mod": "a"},
            "Unknown key of thing 'mod'. Did you mean mode? Valid: count, widths, limits, mode.",
        ),
        ({"count": 1, "widths": [1], "size": 3}, "Unknown key of thing 'size'. Valid: count, widths, limits, mode."),
        ({"count": 13, "widths": [1]}, "thing=mine: thirteen brings bad luck"),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(options: dict[str, object], message: str):
    with pytest.raises(UserError) as error:
        build(component(**options), "thing", size=7)
    assert str(error.value) == message


def test_classes_and_functions_that_cannot_be_used_are_told_in_one_line():
    for target, reason in (
        ("Unfinished", "does not define expectation, label, as its base class demands."),
        ("Untyped", "has an annotation that cannot be resolved at run time (name 'Nowhere' is not defined)."),
        ("Nothing", "cannot be imported (AttributeError: module 'tests.config.test_components' has no attribute 'Nothing')."),
    ):
        with pytest.raises(UserError) as error:
            check(component(target), "method")
        assert str(error.value) == f"method._target_ '{__name__}.{target}' {reason}"
    with pytest.raises(UserError, match=r"must take the argument num_words\.$"):
        check(component(count=2, widths=[3]), "model", "size", "num_words")
    with pytest.raises(UserError, match=r"must be annotated with what it returns, '-> …'\.$"):
        returned_type(component("load_anything"), "data")


def test_what_a_constructor_raises_is_told_in_one_line():
    for error, told in (
        ("memory", "thing=mine does not fit into memory: choose smaller sizes."),
        ("luck", f"thing=mine: {__name__}.Broken raised RuntimeError: no luck. HYDRA_FULL_ERROR=1 shows the traceback."),
    ):
        with pytest.raises(UserError) as raised:
            build(component("Broken", error=error), "thing")
        assert str(raised.value) == told
        assert isinstance(raised.value.__cause__, RuntimeError)


def test_nothing_but_the_option_itself_is_called(tmp_path: Path):
    inner = {"_target_": "os.mkdir", "path": str(tmp_path / "called")}
    assert build(component("Nested", inner=inner), "thing").inner == inner
    assert not list(tmp_path.iterdir())
    check_makes(component("Thing"), "thing", Thing)
    with pytest.raises(UserError, match=r"^method=mine: .*\.Thing is no Estimator\.$"):
        check_makes(component("Thing"), "method", Estimator)


def test_a_class_without_a_signature_is_told_in_one_line():
    with pytest.raises(UserError, match=r"thing\._target_ 'builtins.dict' has no signature"):
        check(Component(target="builtins.dict", name="mine"), "thing")


def test_families_that_are_no_classes_are_told_when_the_class_is_made():
    with pytest.raises(TypeError, match=r"Mine\.families must be a tuple of distribution classes, not 'Gamma'"):
        type("Mine", (Estimator,), {"families": "Gamma"})


def test_a_folder_may_begin_with_the_home_folder(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert TypeAdapter(Folder).validate_python("~/runs") == "/home/me/runs"


def test_all_mistakes_are_told_at_once():
    with pytest.raises(UserError, match=r"thing\.count must .* thing\.mode must "):
        check(component(count=-1, widths=[1], mode="c"), "thing", "size")


@pytest.mark.parametrize("target", ["nowhere.Thing", f"{__name__}.Nothing", "Thing", "math.pi", ""])
def test_targets_that_are_none(target: str):
    with pytest.raises(UserError, match=r"thing\._target_ '.*' (cannot be imported|is no class)"):
        build(Component(target=target, name="mine"), "thing")
