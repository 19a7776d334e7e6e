import torch

from irg_experiments.data.bag_of_words import BagOfWords, Corpus
from irg_experiments.models.bag_of_words import count_matmul, mixture_log_likelihood


def small_batch(documents: int = 6, num_words: int = 40) -> tuple[BagOfWords, torch.Tensor]:
    counts = torch.poisson(torch.full((documents, num_words), 0.4, dtype=torch.float64))
    counts[:, 0] += 1  # no document is empty
    rows, words = counts.nonzero(as_tuple=True)
    offsets = torch.cat([torch.zeros(1, dtype=torch.long), torch.bincount(rows).cumsum(0)])
    corpus = Corpus(words, counts[rows, words], offsets, tuple(map(str, range(num_words))))
    return corpus.slice(0, documents), counts


def test_count_matmul_equals_the_dense_product():
    batch, counts = small_batch()
    weight = torch.randn(40, 7, dtype=torch.float64, requires_grad=True)
    product = count_matmul(batch, weight)
    torch.testing.assert_close(product, counts @ weight)
    grads = [torch.autograd.grad((value**2).sum(), weight) for value in (product, counts @ weight)]
    torch.testing.assert_close(*grads)


def test_mixture_log_likelihood_equals_the_dense_formula():
    batch, counts = small_batch()
    theta = torch.softmax(torch.randn(3, 6, 5, dtype=torch.float64), -1).requires_grad_()
    beta = torch.softmax(torch.randn(40, 5, dtype=torch.float64), 0).requires_grad_()
    value = mixture_log_likelihood(batch, theta, beta)
    dense = (counts * (theta @ beta.T).log()).sum(-1)
    torch.testing.assert_close(value, dense)
    cotangent = torch.randn_like(value)
    grads = [torch.autograd.grad((cotangent * result).sum(), (theta, beta)) for result in (value, dense)]
    torch.testing.assert_close(*grads)
