"""Documents of one's own: a text file with one document per line."""

from pathlib import Path

import torch
from sklearn.feature_extraction.text import CountVectorizer

from irg_experiments.config.types import Count
from irg_experiments.data import Corpus, TopicData
from irg_experiments.errors import UserError


def load(root: Path, num_test: Count = 10) -> TopicData:
    """The lines of ``sayings.txt``; the last of them are the test documents.

    Args:
        root: folder of the file.
        num_test: number of test documents.

    Raises:
        UserError: there is no such file.
    """
    path = root / "sayings.txt"
    if not path.is_file():
        raise UserError(f"{path} does not exist. Set its folder by data.root=…")
    vectorizer = CountVectorizer()
    counts = vectorizer.fit_transform(path.read_text("utf-8").splitlines())
    corpus = Corpus.from_counts(counts, vectorizer.get_feature_names_out().tolist())  # without lines that have no words
    documents = torch.arange(len(corpus))
    return TopicData(corpus.select(documents[:-num_test]), corpus.select(documents[-num_test:]))
