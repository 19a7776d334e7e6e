import logging
import math

import pytest
import torch
from scipy.sparse import csr_matrix

from irg_experiments.data import Corpus, DocumentStream, EpochOrder, TopicData
from irg_experiments.errors import UserError


def three_documents() -> Corpus:
    return Corpus(torch.tensor([4, 1, 2, 0, 1]), torch.tensor([1.0, 2, 3, 4, 5]), torch.tensor([0, 2, 3, 5]), tuple("abcde"))


def test_select_reorders_documents():
    chosen = three_documents().select(torch.tensor([2, 0]))
    assert chosen.words.tolist() == [0, 1, 4, 1]
    assert chosen.counts.tolist() == [4, 5, 1, 2]
    assert chosen.offsets.tolist() == [0, 2, 4]


def test_slice_indexes_both_ways():
    batch = three_documents().slice(1, 3)
    assert batch.words.tolist() == [2, 0, 1]
    assert batch.documents.tolist() == [0, 1, 1]
    assert batch.words[batch.order].tolist() == [0, 1, 2]
    assert batch.word_offsets.tolist() == [0, 1, 2, 3, 3, 3]
    assert batch.lengths.tolist() == [3, 9]


def test_large_vocabularies_sort_as_well():
    words = torch.randint(0, 70_000, (1000,))
    corpus = Corpus(words, torch.ones(1000), torch.tensor([0, 1000]), ("word",) * 70_000)
    batch = corpus.slice(0, 1)
    assert torch.equal(batch.words[batch.order], words.sort().values)


def test_batches_cover_the_corpus():
    sizes = [len(batch.offsets) - 1 for batch in three_documents().batches(2)]
    assert sizes == [2, 1]


def test_stream_follows_the_epoch_order_and_can_start_at_any_step():
    number, size = 10, 4
    offsets = torch.arange(number + 1) * 2  # document d is the words d and d + 10
    words = torch.stack([torch.arange(number), torch.arange(number) + number], 1).flatten()
    corpus = Corpus(words, torch.ones(2 * number), offsets, tuple(map(str, range(2 * number))))
    stream, order = DocumentStream(corpus, size, seed=1), EpochOrder(number, size, seed=1)
    for step in (0, 1, 2, 3, 4, 5, 9, 3):
        expected = [word for document in order.indices(step).tolist() for word in (document, document + number)]
        assert stream.batch(step).words.tolist() == expected
        assert stream.batch(step).documents.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_small_integers_give_the_same_batches():
    wide = three_documents()
    narrow = Corpus(wide.words.to(torch.int16), wide.counts.to(torch.int16), wide.offsets, wide.vocabulary)
    for ours, theirs in zip(narrow.slice(0, 3), wide.slice(0, 3), strict=True):
        assert torch.equal(ours, theirs)
        assert ours.dtype == theirs.dtype


def test_a_stream_sorted_in_parts_has_the_same_batches(monkeypatch: pytest.MonkeyPatch):
    corpus = three_documents().select(torch.arange(30) % 3)
    whole = DocumentStream(corpus, 4, seed=1)
    expected = [whole.batch(step).words.tolist() for step in range(20)]
    monkeypatch.setattr("irg_experiments.data.bag_of_words._WINDOW", 10)
    parts = DocumentStream(corpus, 4, seed=1)
    assert [parts.batch(step).words.tolist() for step in range(20)] == expected
    assert parts.batch(3).words.tolist() == expected[3]


def test_parts_of_a_batch_make_the_batch():
    corpus = Corpus(torch.arange(7) % 5, torch.ones(7), torch.arange(8), tuple("abcde"))
    whole = DocumentStream(corpus, 4, seed=1).batch(1)
    first, second = (DocumentStream(corpus, 4, 1, part).batch(1) for part in (range(1), range(1, 4)))
    assert torch.cat([first.words, second.words]).tolist() == whole.words.tolist()
    assert (len(first.offsets), len(second.offsets)) == (2, 4)
    for part in (first, second):
        assert part.present.tolist() == whole.present.tolist() == sorted(set(whole.words.tolist()))


def test_a_corpus_of_a_count_matrix(caplog: pytest.LogCaptureFixture):
    matrix = csr_matrix([[0, 2, 0, 40_000], [0, 0, 0, 0], [1.0, 0, 0, 0]])
    with caplog.at_level(logging.INFO):
        corpus = Corpus.from_counts(matrix, "abcd")
    assert "Dropped 1 of 3 documents" in caplog.text
    assert corpus.words.tolist() == [1, 3, 0]
    assert corpus.counts.tolist() == [2, 40_000, 1]
    assert corpus.offsets.tolist() == [0, 2, 3]
    assert (corpus.words.dtype, corpus.counts.dtype) == (torch.int16, torch.int32)
    assert corpus.vocabulary == ("a", "b", "c", "d")  # "c" never occurs


def test_zeros_that_are_stored_do_not_count():
    matrix = csr_matrix(([1, 0, 0, 2], [0, 1, 0, 1], [0, 2, 3, 4]), (3, 2))
    corpus = Corpus.from_counts(matrix, "ab")
    assert corpus.words.tolist() == [0, 1]
    assert corpus.offsets.tolist() == [0, 1, 2]
    assert matrix.nnz == 4


@pytest.mark.parametrize(("value", "shown"), [(-1, "-1"), (0.5, "0.5"), (math.nan, "nan"), (math.inf, "inf")])
def test_a_count_that_is_none_is_named(value: float, shown: str):
    with pytest.raises(UserError, match=f"^The count of word 'b' in document 1 is {shown}, but .* Wrong counts in all: 1"):
        Corpus.from_counts(csr_matrix([[1.0, 2.0], [3.0, value]]), "ab")


def test_every_column_has_a_word():
    with pytest.raises(UserError, match="have 2 columns, but the vocabulary has 3 words"):
        Corpus.from_counts(csr_matrix([[1, 2]]), "abc")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"offsets": [0, 2, 2]}, r"^The offsets of the test documents go from 0 to 2, with 3 words and 3 counts: they must go"),
        ({"offsets": [1, 2, 3]}, r"^The offsets of the test documents go from 1 to 3"),
        ({"counts": [1, 2]}, r"^The offsets of .*, with 3 words and 2 counts"),
        ({"words": [], "counts": [], "offsets": [0]}, r"^There are no test documents\.$"),
        ({"offsets": [0, 2, 2, 3]}, r"^Document 1 of the test documents has no words, and 1 in all have none: leave them out"),
        ({"words": [0, 3, 1]}, r"word indices of the test documents go from 0 to 3, but its vocabulary has 3 words"),
        ({"words": [0, -1, 1]}, r"word indices of the test documents go from -1 to 1"),
        (
            {"counts": [1.0, 2.0, math.nan]},
            r"count of word 'b' in document 1 of the test documents is nan, .* from 1 to 1677",
        ),
        ({"counts": [1.0, 0.5, 2.0]}, r"count of word 'c' in document 0 of .* is 0\.5, .* Wrong counts in all: 1"),
        ({"counts": [2**25, 1, 1]}, r"count of word 'a' in document 0 of .* is 3\.35544e\+07"),
        ({"counts": [1.0, 1.0, math.inf]}, r"count of word 'b' in document 1 of .* is inf"),
        ({"counts": [-1, 0, 1]}, r"count of word 'a' in document 0 of .* is -1, .* Wrong counts in all: 2"),
    ],
)
def test_a_corpus_that_topic_models_cannot_take_is_refused(changed: dict[str, list[float]], message: str):
    parts = {"words": [0, 2, 1], "counts": [1, 2, 3], "offsets": [0, 2, 3], **changed}
    with pytest.raises(UserError, match=message):
        Corpus(*(torch.tensor(values) for values in parts.values()), ("a", "b", "c")).check("the test documents")


def test_a_vocabulary_of_numbers_is_refused():
    corpus = Corpus(torch.tensor([0]), torch.tensor([1]), torch.tensor([0, 1]), (7, 8))
    with pytest.raises(UserError, match=r"vocabulary of a corpus must be text: make it by tuple\(map\(str, words\)\)"):
        corpus.check("a corpus")


def test_training_and_test_documents_have_the_same_vocabulary():
    train = Corpus(torch.tensor([0]), torch.tensor([1]), torch.tensor([0, 1]), ("a", "b"))
    TopicData(train, train).check("mine")
    for words in (("b", "a"), ("a", "b", "c")):
        with pytest.raises(UserError, match="documents of data=mine have different vocabularies"):
            TopicData(train, Corpus(train.words, train.counts, train.offsets, words)).check("mine")


@pytest.mark.parametrize("dtype", [torch.int16, torch.int32, torch.int64, torch.float32])
def test_a_corpus_in_any_dtype_is_accepted(dtype: torch.dtype):
    words, counts, offsets = torch.tensor([0, 2, 1]), torch.tensor([1, 20_000, 3], dtype=dtype), torch.tensor([0, 2, 3])
    Corpus(words.to(torch.int16), counts, offsets, ("a", "b", "c")).check("a corpus")
