"""The page as HTML: one template, one style sheet, two short scripts, all within the file."""

import base64
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import jinja2
from markupsafe import Markup

from irg_experiments import __version__
from irg_experiments.results.page.content import Content

FOLDER = Path(__file__).parent
# seconds between two questions of a served page whether the runs have changed
REFRESH = 2


def html(content: Content, paths: Sequence[Path], state: str | None = None) -> str:
    """The page.

    A content security policy forbids every request and every script but the page's own, whatever text the records hold.

    Args:
        content: what it shows.
        paths: of the runs, for its head.
        state: of the runs, when the page is served: it then asks its server for the present one, and reloads when that differs.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["zip"] = zip
    environment.filters["rounded"] = lambda value: "–" if value is None else f"{value:.6g}"
    script = _file("script.js") + ("" if state is None else _file("refresh.js").replace("REFRESH", str(1000 * REFRESH)))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = {
        "default-src": "'none'",
        "img-src": "data:",
        "style-src": "'unsafe-inline'",
        "script-src": f"'sha256-{digest}'",
        "connect-src": "'none'" if state is None else "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return environment.get_template("page.html").render(
        content=content,
        paths=", ".join(map(str, paths)),
        policy="; ".join(f"{name} {value}" for name, value in policy.items()),
        state=state,
        script=Markup(script),
        style=Markup(_file("style.css")),
        version=__version__,
        written=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    )


def _file(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
