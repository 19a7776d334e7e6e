"""The page in headless Chromium: nothing is asked for, nothing fails, everything is seen, on a screen and on a phone."""

import os
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from irg_experiments.results.page import content, html
from irg_experiments.results.watch import HOST, server
from tests.results.counted import change, write

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (pip install playwright)")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (apt install chromium)")

REFERENCE = Path(__file__).parents[2] / "outputs" / "reference"
# three seeds of one configuration beside others, figures of one panel and of several, and metrics in sections
SHOWN = ("lda/newsgroups-lda-implicit-*", "lda/newsgroups-lda_svi-*", "accuracy/*", "vae/mnist-normal-2-*")
SIZES = {"screen": (1280, 900), "phone": (390, 844)}
OPEN_ALL = "document.querySelectorAll('details').forEach((it) => { it.open = true; })"
WIDTH = "document.documentElement.scrollWidth - innerWidth"
# of the colours of an element and of the page, by WCAG 2.2
CONTRAST = """(element) => {
  const linear = (it) => it <= 0.04045 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4;
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map((it) => linear(it / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
  };
  const style = getComputedStyle(element);
  const colours = [element instanceof SVGElement ? style.fill : style.color, getComputedStyle(document.body).backgroundColor];
  const [a, b] = colours.map(light);
  return Math.max(a, b) / Math.min(a, b);
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses to run as root with one
        browser = started.chromium.launch(executable_path=CHROMIUM, args=sandbox)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a small set of committed records."""
    folders = [folder for pattern in SHOWN for folder in sorted(REFERENCE.glob(pattern))]
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(html(content(folders), [Path("outputs")]), encoding="utf-8")
    return path


class Opened:
    """A page, and what was asked for and told while it was open."""

    def __init__(self, browser: Any, address: str, size: tuple[int, int] = SIZES["screen"], scheme: str = "light") -> None:
        self.context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
        self.page = self.context.new_page()
        self.told: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.told.append(message.text))
        self.page.on("pageerror", lambda error: self.told.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(address)

    def __enter__(self) -> "Opened":
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
def test_every_table_and_figure_is_seen_and_nothing_is_asked_for(browser: Any, file: Path, size: tuple[int, int], scheme: str):
    with Opened(browser, file.as_uri(), size, scheme) as opened:
        page = opened.page
        assert page.evaluate(WIDTH) <= 0
        page.evaluate(OPEN_ALL)
        assert page.evaluate(WIDTH) <= 0
        tables, figures = page.query_selector_all("table"), page.query_selector_all("svg, img")
        assert (len(tables), len(figures)) == (file.read_text().count("<table"), file.read_text().count("<svg"))
        assert len(tables) > 15
        assert len(figures) > 8
        for element in [*tables, *figures]:
            box = element.bounding_box()
            assert box["width"] > 100
            assert box["height"] > 30
        for selector in ("h2", "td.number", "td.paper", ".meta", "figcaption", "td.number a", "pre code", "svg text"):
            assert page.eval_on_selector(selector, CONTRAST) > 4.5, selector
        assert page.eval_on_selector("td.number", "(it) => getComputedStyle(it).textAlign") == "right"
        assert opened.asked == [file.as_uri()]
        assert opened.told == []


def test_a_number_opens_its_configuration(browser: Any, file: Path):
    with Opened(browser, file.as_uri()) as opened:
        page = opened.page
        details = page.locator("details", has_text="seed=0,1,2").first
        assert details.get_attribute("open") is None
        page.click(f'#lda-table-1 a[href="#{details.get_attribute("id")}"] >> nth=0')
        playwright.expect(details).to_have_attribute("open", "")
        button = details.locator("pre.command button")
        button.click()
        playwright.expect(button).to_have_text(re.compile("Copied|Selected"))
        assert opened.told == []


def test_a_table_is_sorted_by_its_numbers(browser: Any, file: Path):
    with Opened(browser, file.as_uri()) as opened:
        page = opened.page
        header = page.locator("#lda-table-1 th", has_text="test perplexity")
        column = page.locator(f"#lda-table-1 td:nth-child({header.evaluate('(it) => it.cellIndex') + 1})")
        for clicks in (1, 2):
            header.locator("button").click()
            values = [float(text.split(" ")[0]) for text in column.all_text_contents()]
            assert len(values) == 3
            assert values == sorted(values, reverse=clicks == 2)
        assert opened.told == []


def test_text_of_a_record_runs_nothing(browser: Any, tmp_path: Path):
    script = "<script>console.log('ran')</script><img src=x onerror=console.log('ran')>"
    change(write(tmp_path), command=script, data=script, method_label=script)
    path = tmp_path / "page.html"
    path.write_text(html(content([tmp_path]), [tmp_path]), encoding="utf-8")
    with Opened(browser, path.as_uri()) as opened:
        assert "console.log('ran')" in opened.page.text_content("table")
        assert (opened.told, opened.asked) == ([], [path.as_uri()])


def test_a_served_page_shows_a_new_run(browser: Any, tmp_path: Path):
    write(tmp_path, "a", "running")
    with server([tmp_path], 0) as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            with Opened(browser, f"http://{HOST}:{serving.server_port}/") as opened:
                assert not opened.page.query_selector("#counted")
                write(tmp_path, "b")
                opened.page.wait_for_selector("#counted", timeout=60_000)
                assert opened.told == []
        finally:
            serving.shutdown()
            thread.join()
