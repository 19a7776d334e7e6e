"""One HTML file that shows all runs below folders: tables, figures, commands, configs and versions; it requests nothing."""

from irg_experiments.results.page.content import Pictures, content
from irg_experiments.results.page.html import html

__all__ = ["Pictures", "content", "html"]
