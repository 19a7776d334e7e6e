"""Data sets, one a file, and one downloader."""

from collections.abc import Callable
from pathlib import Path

from irg_experiments.config import unknown
from irg_experiments.data import bars, binarized_mnist, digits, mnist, newsgroups
from irg_experiments.data.images import ImageData
from irg_experiments.data.splits import TopicData
from irg_experiments.errors import UserError

TOPIC_DATA: dict[str, Callable[[Path], TopicData]] = {
    "bars": lambda _: bars.load(),
    "newsgroups": newsgroups.load,
}

IMAGE_DATA: dict[str, Callable[[Path], ImageData]] = {
    "binarized_mnist": binarized_mnist.load,
    "digits": lambda _: digits.load(),
    "fashion_mnist": mnist.load_fashion,
    "mnist": mnist.load,
}


def load_topic_data(name: str, root: Path) -> TopicData:
    """The documents of a data set of configs/data by its name.

    Raises:
        UserError: it is no set of documents, or cannot be had.
    """
    if name not in TOPIC_DATA:
        raise UserError(unknown("set of documents", name, sorted(TOPIC_DATA)))
    return TOPIC_DATA[name](root)


def load_image_data(name: str, root: Path) -> ImageData:
    """The images of a data set of configs/data by its name.

    Raises:
        UserError: it is no set of images, or cannot be had.
    """
    if name not in IMAGE_DATA:
        raise UserError(unknown("set of images", name, sorted(IMAGE_DATA)))
    return IMAGE_DATA[name](root)


__all__ = ["IMAGE_DATA", "TOPIC_DATA", "ImageData", "TopicData", "load_image_data", "load_topic_data"]
