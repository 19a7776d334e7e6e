"""The page: what it shows, that text of records is text alone, and that it asks for nothing."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from irg_experiments.errors import UserError
from irg_experiments.results.aggregate import repetitions
from irg_experiments.results.drawing import Figure
from irg_experiments.results.page import Pictures, content, html
from irg_experiments.results.page.pictures import drawn
from irg_experiments.results.record import Record
from irg_experiments.results.report import main
from irg_experiments.results.table import Table
from tests.results.counted import Counted, change, write

SCRIPT = "</pre><script>alert(1)</script><img src=x onerror=alert(1)>"


class Page(HTMLParser):
    """Elements and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.words.append(" ")

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


def page_of(folder: Path, pictures: Pictures | None = None) -> Page:
    return Page(html(content([folder], pictures), [folder]))


def draw_lines(path: Path, label: str = "a < b", points: int = 10) -> None:
    from irg_experiments.results.figures import plt, save

    figure, axes = plt.subplots()
    axes.plot([x * 7919 % 1009 for x in range(points)], marker=".", color="black")
    axes.set(xlabel=label)
    save(figure, path)


def with_figures(monkeypatch: pytest.MonkeyPatch, *figures: Figure) -> None:
    def of_a_run(directory: Path, record: Record) -> Iterator[Figure]:
        yield from figures

    monkeypatch.setattr(Counted, "figures", of_a_run)
    monkeypatch.setattr(Counted, "comparisons", lambda runs: iter(()))


def test_every_number_leads_to_its_configuration(tmp_path: Path):
    for seed in (0, 1):
        change(write(tmp_path, f"run-seed{seed}-id"), seed=seed, group="g", identity="id", metrics={"x": 3.0 + 2 * seed})
    page = page_of(tmp_path)
    anchors = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    links = [str(attributes["href"]) for attributes in page.named("a")]
    assert links.count("#counted-1") == 2
    assert {link.removeprefix("#") for link in links} <= anchors
    for told in ("irg-run -m experiment=counted seed=0,1", "4.0 ± 1.0", "_target_: tests.results.counted.Counted", "numpy"):
        assert told in page.text


def test_text_of_records_is_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with_figures(monkeypatch, Figure("lines", lambda path: draw_lines(path, SCRIPT)))
    directory = write(tmp_path)
    config = {**json.loads((directory / "record.json").read_text())["config"], SCRIPT: SCRIPT}
    texts = dict.fromkeys(("data", "method_label", "command", "budget", "started"), SCRIPT)
    change(
        directory, config=config, versions={SCRIPT: SCRIPT}, machine={"cpu": SCRIPT}, metrics={"x": 1.0, SCRIPT: 2.0}, **texts
    )
    change(write(tmp_path, "failed", "failed"), error=SCRIPT)
    change(write(tmp_path, "foreign"), seed=SCRIPT)
    page = page_of(tmp_path)
    (script,) = page.named("script")
    assert script == {}
    assert not [tag for tag, attributes in page.elements if any(name.startswith("on") for name in attributes)]
    assert page.text.count("<script>alert(1)</script>") >= 10
    assert page.named("svg")


def test_the_policy_allows_nothing_but_the_pages_own_script(tmp_path: Path):
    write(tmp_path)
    text = html(content([tmp_path]), [tmp_path])
    page = Page(text)
    (policy,) = (str(it["content"]) for it in page.named("meta") if it.get("http-equiv") == "Content-Security-Policy")
    script = text.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert "default-src 'none'; img-src data:; " in policy
    assert f"script-src 'sha256-{digest}'; connect-src 'none'" in policy
    links = [
        str(value) for _, it in page.elements for name, value in it.items() if name in ("href", "src", "xlink:href", "srcset")
    ]
    assert all(link.startswith(("#", "data:")) for link in links)
    assert "fetch(" not in text


def test_what_is_unfinished_or_cannot_be_shown_is_named(tmp_path: Path):
    write(tmp_path)
    change(write(tmp_path, "diverged", "failed"), error="The loss became nan.")
    going_on = write(tmp_path, "going_on", "running")
    (going_on / "metrics.jsonl").write_text('{"step": 1200, "loss": 1.0}\n')
    (write(tmp_path, "damaged") / "record.json").write_text("{")
    page = page_of(tmp_path)
    assert "diverged failed – – " in page.text
    assert "The loss became nan." in page.text
    assert "going_on running 1,200 " in page.text
    assert f"{tmp_path / 'damaged' / 'record.json'} is left out: it is no record of a run." in page.text


def test_averages_over_commits_are_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def averaged(records: list[Record]) -> list[Table]:
        groups = repetitions(records)
        return [Table("t", "T", ["data", "x"], [["bars", "1"] for _ in groups], made_of=groups)]

    monkeypatch.setattr(Counted, "tables", averaged)
    for seed, commit in enumerate("ab"):
        change(write(tmp_path, str(seed)), seed=seed, group="g", git_commit=commit * 40)
    assert "bars: commit aaaaaaa, commit bbbbbbb" in page_of(tmp_path).text
    main([str(tmp_path)])
    assert capsys.readouterr().out.endswith("Average over several commits: bars: commit aaaaaaa, commit bbbbbbb\n")
    apart = Page(html(content([tmp_path], by_code=True), [tmp_path]))
    assert "bars: commit" not in apart.text
    assert "2 configurations" in apart.text
    change(tmp_path / "1", git_commit="a" * 40)
    assert "bars: commit" not in page_of(tmp_path).text


def test_figures_are_in_the_colours_of_the_page():
    picture = drawn(Figure("some_lines", draw_lines), "key")
    assert picture is not None
    assert picture.name == "some lines"
    assert picture.markup.startswith("<svg ")
    assert "currentColor" in picture.markup
    assert "a &lt; b" in picture.markup
    assert not re.search(r"#010203|#000000|DOCTYPE|<metadata|http://(?!www\.w3\.org)", picture.markup)
    assert drawn(Figure("some_lines", draw_lines), "key") == picture


def test_a_figure_of_many_points_is_a_png():
    picture = drawn(Figure("many", lambda path: draw_lines(path, points=10_000)), "key")
    assert picture is not None
    assert re.match(r'<img alt="many" src="data:image/png;base64,\w', picture.markup)


@pytest.mark.parametrize("write_figure", [lambda path: path.write_text("no picture"), lambda path: path.write_text("<p/>")])
def test_what_is_no_picture_is_named(write_figure: Any, caplog: pytest.LogCaptureFixture):
    assert drawn(Figure("x", write_figure), "run/x") is None
    assert caplog.messages[0].startswith("run/x could not be drawn (")


def test_figures_of_runs_that_did_not_change_are_drawn_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    drawings = []
    with_figures(monkeypatch, Figure("lines", lambda path: (drawings.append(path), draw_lines(path))))
    directories = [write(tmp_path, name) for name in ("a", "b")]
    pictures = Pictures()
    first, second = (html(content([tmp_path], pictures), []) for _ in range(2))
    assert len(drawings) == 2
    assert first.count("<svg") == second.count("<svg") == 2
    (directories[0] / "new").touch()
    content([tmp_path], pictures)
    assert len(drawings) == 3


def test_a_page_has_so_many_figures_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with_figures(monkeypatch, Figure("lines", draw_lines))
    for name in ("a", "b", "c"):
        write(tmp_path, name)
    page = page_of(tmp_path, Pictures(most=2))
    assert len(page.named("svg")) == 2
    assert "Only the first 2 figures are on this page" in page.text


def test_the_page_is_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    runs, file = tmp_path / "runs", tmp_path / "page.html"
    write(runs)
    main([str(runs), "--html", str(file)])
    assert capsys.readouterr().out == f"{file}\n"
    assert "What was counted" in Page(file.read_text(encoding="utf-8")).text
    with pytest.raises(UserError, match=r"^\S+ cannot be written \(No such file or directory\)\. Name another file\.$"):
        main([str(runs), "--html", str(tmp_path / "nowhere" / "page.html")])
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UserError, match=r"No record\.json below"):
        main([str(empty), "--html", str(file)])
