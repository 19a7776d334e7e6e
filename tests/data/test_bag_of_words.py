import torch

from irg_experiments.data.bag_of_words import Corpus
from irg_experiments.experiments.lda import DocumentStream


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


def test_stream_shows_every_document_once_an_epoch_and_depends_on_seed_and_step_alone():
    number, size = 10, 4
    corpus = Corpus(torch.arange(number), torch.ones(number), torch.arange(number + 1), tuple(map(str, range(number))))
    stream = DocumentStream(corpus, size, seed=1)
    seen = [stream.batch(step).words.tolist() for step in range(10)]
    flat = [word for batch in seen for word in batch]
    epochs = [flat[start : start + number] for start in range(0, 40, number)]
    assert all(sorted(epoch) == list(range(number)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1
    resumed = DocumentStream(corpus, size, seed=1)
    assert [resumed.batch(step).words.tolist() for step in range(7, 10)] == seen[7:]
    assert DocumentStream(corpus, size, seed=2).batch(0).words.tolist() != seen[0]
