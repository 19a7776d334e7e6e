import torch

from irg_experiments.data import Corpus, DocumentStream, EpochOrder


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
