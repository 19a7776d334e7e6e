"""The updates of a topic model by gradients of its bound."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call

from irg_experiments.data import BagOfWords, Corpus
from irg_experiments.estimators import Estimator
from irg_experiments.models.common import ElboTerms
from irg_experiments.models.topic_model import TopicModel
from irg_experiments.training.compilation import loss_and_grad
from irg_experiments.training.distributed import weighted_sum
from irg_experiments.training.optimizer import Adam
from irg_experiments.training.row_adam import RowAdam

# share of the words in a batch below which updates by rows are faster on the CPU
FEW_ROWS = 0.5


def reads_few_rows(corpus: Corpus, batch_size: int) -> bool:
    """Whether batches have so few of the words that updates by rows are faster on the CPU."""
    most_words = len(corpus.words) / len(corpus) * batch_size  # if no two documents of a batch shared a word
    return most_words < FEW_ROWS * len(corpus.vocabulary)


def _varying(batch: BagOfWords, *rows: Tensor) -> tuple[Tensor, ...]:
    """The tensors that torch is to compile for any length.

    A batch with all words is compiled by itself: in it, rows for the words that occur are rows for all words.
    """
    every_word = len(batch.present) == len(batch.word_offsets) - 1
    return batch.entries if every_word else (*batch.entries, batch.present, *rows)


def mean_loss(terms: ElboTerms) -> Tensor:
    """The negative bound per document, in nats."""
    return (terms.kl - terms.log_likelihood).mean()


class Updates:
    """Adam on the negative bound of a batch.

    Args:
        model: what is trained.
        estimator: of the gradient.
        num_samples: of the topic weights per document.
        learning_rate: of Adam.
        by_rows: whether word parameters are updated at the rows of the words that occur, by ``RowAdam``.
        compiled: whether a step is compiled.
        device: of model and batches.
        share: of the documents of a step that this process has; the others have the rest.
    """

    def __init__(
        self,
        model: TopicModel,
        estimator: Estimator,
        num_samples: int,
        learning_rate: float,
        by_rows: bool,
        compiled: bool,
        device: torch.device,
        share: float = 1.0,
    ) -> None:
        self.share = share
        self.model, self.estimator, self.num_samples = model, estimator, num_samples
        self.learning_rate, self.compiled, self.device = learning_rate, compiled, device
        self._start(by_rows)

    def _start(self, by_rows: bool) -> None:
        named = dict(self.model.named_parameters())
        by_word = self.model.word_parameters if by_rows else ()
        self.tables = {name: RowAdam(named.pop(name), self.learning_rate, self.compiled) for name in by_word}
        self.waiting = [name in self.model.prior_parameters for name in named]
        self.optimizer = Adam(list(named.values()), self.learning_rate)
        self.loss_and_grad = loss_and_grad(
            self._loss,
            list(named.values()),
            self.compiled,
            self.device,
            varying=_varying,
            inputs=lambda _, *rows: rows,
            fixed=not self.estimator.has_state,
        )

    def _loss(self, batch: BagOfWords, *rows: Tensor) -> Tensor:
        arguments = (batch, self.estimator.expectation, self.num_samples)
        terms = functional_call(self.model, dict(zip(self.tables, rows, strict=True)), arguments)
        return mean_loss(terms)

    def step(self, batch: BagOfWords, prior_fixed: bool = False) -> Tensor:
        """One update by the documents of all processes; returns their mean loss, detached, in nats per document.

        Args:
            batch: of training documents. All processes have the same words in ``present``, those of all these documents.
            prior_fixed: whether the parameters of the prior keep their values.
        """
        rows = [table.rows(batch.present) for table in self.tables.values()]
        loss, gradients = self.loss_and_grad(batch, *(row.values.requires_grad_() for row in rows))
        *sums, loss = weighted_sum((*gradients, loss), self.share)
        number = len(self.waiting)
        pairs = zip(self.waiting, sums[:number], strict=True)
        self.optimizer.update([None if prior_fixed and waits else gradient for waits, gradient in pairs])
        for table, row, gradient in zip(self.tables.values(), rows, sums[number:], strict=True):
            table.update(row, gradient)
        return loss

    def exchanged_bytes(self, batch: BagOfWords) -> int:
        """What each of several processes contributes to the sum of gradients and loss after a batch, in bytes."""
        rows = sum(len(batch.present) * table.table[0].nbytes for table in self.tables.values())
        dense = sum(parameter.nbytes for parameter in self.optimizer.parameters)
        return rows + dense + torch.get_default_dtype().itemsize

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """Within the block, the model has all its parameters after the last step."""
        with contextlib.ExitStack() as stack:
            for table in self.tables.values():
                stack.enter_context(table.current())
            yield

    def state_dict(self) -> dict[str, Any]:
        """Parameters, moments and steps, and what the estimator keeps."""
        with self.current():
            model = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
        tables = {name: table.state_dict() for name, table in self.tables.items()}
        estimator = self.estimator.state_dict()
        return {"model": model, "optimizer": self.optimizer.state_dict(), "tables": tables, "estimator": estimator}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what ``state_dict`` returned, with its way of updating; raises any exception if it is of another model."""
        if state["tables"].keys() != self.tables.keys():
            self._start(by_rows=bool(state["tables"]))
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        for name, table in self.tables.items():
            table.load_state_dict(state["tables"][name])
        self.estimator.load_state_dict(state.get("estimator", {}))  # earlier versions wrote none
