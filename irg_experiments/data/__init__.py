"""Data sets, one a file, and one downloader."""

from pathlib import Path

from irg_experiments.data import bars, newsgroups
from irg_experiments.data.splits import TopicData


def load_topic_data(name: str, root: Path) -> TopicData:
    """The documents of a data set of configs/data by its name."""
    return {"bars": lambda: bars.load(), "newsgroups": lambda: newsgroups.load(root)}[name]()


__all__ = ["TopicData", "load_topic_data"]
