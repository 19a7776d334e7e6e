"""Data sets, one per file, and one downloader.

A data set is a function ``load(root: Path, **options)``, which a file in ``configs/data`` names as its ``_target_``. Its return
annotation states its kind: ``TopicData`` (documents) or ``ImageData`` (images). ``root`` is the folder of data files.
"""

from irg_experiments.data.bag_of_words import BagOfWords, Corpus, DocumentStream, TopicData
from irg_experiments.data.download import RemoteFile, fetch
from irg_experiments.data.images import ImageData, Images, binarize
from irg_experiments.data.order import EpochOrder

__all__ = [
    "BagOfWords",
    "Corpus",
    "DocumentStream",
    "EpochOrder",
    "ImageData",
    "Images",
    "RemoteFile",
    "TopicData",
    "binarize",
    "fetch",
]
