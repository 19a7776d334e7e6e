from pathlib import Path

import pytest

from irg_experiments.data import newsgroups
from irg_experiments.errors import UserError


@pytest.mark.data
def test_the_corpus_has_the_published_size(data_root: Path):
    data = newsgroups.load(data_root)
    assert (len(data.train), len(data.test)) == (11_258, 7_487)
    assert len(data.train.vocabulary) == 1_995
    assert data.train.counts.sum().item() == 991_493
    assert data.test.counts.sum().item() == 629_312
    # the first word of the vocabulary marks the end of a text and never occurs
    assert data.train.words.min().item() == 1


def test_parse_drops_empty_documents_and_counts_words_from_one(tmp_path: Path):
    path = tmp_path / "train.feat"
    path.write_text("3 2:1 1:4\n7\n1 3:2\n")
    corpus = newsgroups.parse(path, ("a", "b", "c"))
    assert corpus.words.tolist() == [1, 0, 2]
    assert corpus.counts.tolist() == [1, 4, 2]
    assert corpus.offsets.tolist() == [0, 2, 3]


def test_parse_names_file_and_line_of_bad_input(tmp_path: Path):
    path = tmp_path / "train.feat"
    path.write_text("3 2:1\n1 two:1\n")
    with pytest.raises(UserError, match=r"train\.feat, line 2"):
        newsgroups.parse(path, ("a", "b"))
