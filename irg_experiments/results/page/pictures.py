"""Figures of runs as markup within a page: SVG in the colours of the page, or a PNG where that would be large."""

import base64
import contextlib
import logging
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

from markupsafe import Markup, escape

from irg_experiments.results.drawing import Figure

log = logging.getLogger(__name__)

# characters of an SVG from which on a PNG takes its place: thousands of points, say
LARGEST = 200_000
# lines and text of figures have the colour of the page's text
INK = "#010203"
SETTINGS: dict[str, Any] = {
    "svg.fonttype": "none",  # text stays text
    "savefig.transparent": True,
    "legend.facecolor": "none",
    "legend.framealpha": 0,
    "legend.frameon": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
}


class Picture(NamedTuple):
    """A figure as it stands on the page.

    Attributes:
        name: in words.
        markup: an ``<svg>`` or ``<img>`` element.
        wide: whether it has several panels side by side.
    """

    name: str
    markup: Markup
    wide: bool


# a width, in heights, from which on a figure is wide
WIDE = 2.0


def drawn(figure: Figure, key: str) -> Picture | None:
    """The figure as markup; None, with a line of log, if it cannot be drawn.

    Args:
        figure: of a run.
        key: differs from figure to figure of a page; the names within an SVG are made of it.
    """
    name = figure.name.replace("_", " ")
    try:
        with tempfile.TemporaryDirectory() as folder, _in_the_colours_of_the_page(key):
            picture = _inlined(_read(figure.draw, Path(folder) / "figure.svg").decode(), name)
            if len(picture.markup) <= LARGEST:
                return picture
        with tempfile.TemporaryDirectory() as folder:
            return _embedded(_read(figure.draw, Path(folder) / "figure.png"), name)
    except Exception as error:  # a picture is never worth a page
        log.warning("%s could not be drawn (%s: %s).", key, type(error).__name__, error)
        return None


def _read(draw: Callable[[Path], object], path: Path) -> bytes:
    draw(path)
    return path.read_bytes()


@contextlib.contextmanager
def _in_the_colours_of_the_page(key: str) -> Iterator[None]:
    import matplotlib

    settings: Any = {**SETTINGS, "svg.hashsalt": key}  # matplotlib's type is a literal of all its keys
    with matplotlib.rc_context(settings):
        yield


def _inlined(svg: str, name: str) -> Picture:
    """The SVG element of a file by matplotlib, without what a page does not need.

    Raises:
        ElementTree.ParseError, ValueError: it is no SVG with a size.
    """
    root = ElementTree.fromstring(svg)
    if not root.tag.endswith("svg"):
        raise ValueError("it is no SVG")
    width, height = map(float, root.attrib.get("viewBox", "0 0 1 1").split()[2:])
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r'<g id="[a-z0-9_]+">', "<g>", svg)  # the same names in every figure
    svg = re.sub(r"font: ((?:[a-z0-9]+ )*?)([\d.]+)px [^;\"]*", r"font-size: \2px", svg)
    svg = re.sub(rf"{INK}|#000000|(?<=: )black(?=[;\"])", "currentColor", svg)
    svg = re.sub(r"\s*\n\s*", "\n", svg)
    svg = re.sub(r"<[^>]*>", lambda tag: re.sub(r"(\.\d\d)\d+", r"\1", tag[0]), svg)  # a hundredth of a point cannot be seen
    head, _, rest = svg.partition(">")
    head = re.sub(r' (?:width|height)="[\d.]+pt"| version="[^"]*"| xmlns:xlink="[^"]*"', "", head)
    label = f'role="img" aria-label="{escape(name)}" style="max-width: {width * 4 / 3:.0f}px"'  # a point is 4/3 pixels
    return Picture(name, Markup(f"{head} {label}>{rest.replace('xlink:href', 'href')}"), width > WIDE * height)


def _embedded(png: bytes, name: str) -> Picture:
    width, height = (int.from_bytes(png[start : start + 4]) for start in (16, 20))  # of the header
    markup = Markup('<img alt="{}" src="data:image/png;base64,{}">').format(name, base64.b64encode(png).decode())
    return Picture(name, markup, width > WIDE * height)
