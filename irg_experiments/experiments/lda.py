"""Latent Dirichlet allocation with an amortised Dirichlet posterior: test perplexity."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from irg_experiments.data import TopicData, load_topic_data
from irg_experiments.data.bag_of_words import BagOfWords, Corpus
from irg_experiments.data.bars import SIDE
from irg_experiments.data.order import epoch_order
from irg_experiments.errors import UserError
from irg_experiments.estimators import ESTIMATORS, Estimator, supports
from irg_experiments.experiments.methods import make_estimator
from irg_experiments.implicit import Dirichlet
from irg_experiments.models.lda import LDA
from irg_experiments.results import figures
from irg_experiments.results.tables import paper_perplexity
from irg_experiments.training.adam import Adam
from irg_experiments.training.compilation import loss_and_grad
from irg_experiments.training.loop import Schedule, TrainingResult, train
from irg_experiments.training.metrics_log import read_metrics

EVALUATION_BATCH = 512
NEAR_ZERO = 1e-3
TOP_WORDS = 10


class DocumentStream:
    """Batches of documents, reshuffled every epoch. Which documents make a batch depends on seed and step alone."""

    def __init__(self, corpus: Corpus, batch_size: int, seed: int) -> None:
        self.corpus, self.batch_size, self.seed = corpus, batch_size, seed
        self._window = corpus
        self._start = self._stop = 0  # the documents of the stream that the window holds

    def batch(self, step: int) -> BagOfWords:
        """The batch of a step, counted from 0: every document comes once in each epoch, across batch boundaries."""
        first = step * self.batch_size
        if not self._start <= first <= first + self.batch_size <= self._stop:
            self._load_window(first)
        return self._window.slice(first - self._start, first - self._start + self.batch_size)

    def _load_window(self, first: int) -> None:
        """Sorts the corpus into stream order from document ``first`` to the end of the epoch in which its batch ends."""
        size = len(self.corpus)
        epochs = range(first // size, (first + self.batch_size - 1) // size + 1)
        order = torch.cat([epoch_order(size, self.seed, epoch) for epoch in epochs])[first - epochs[0] * size :]
        self._window = self.corpus.select(order)
        self._start, self._stop = first, first + len(order)


class LdaTask:
    """LDA as the training loop sees it."""

    def __init__(self, config: Any, data: TopicData, estimator: Estimator, device: torch.device) -> None:
        self.training = config.training
        self.estimator = estimator
        self.test = data.test.to(device)
        self.stream = DocumentStream(data.train.to(device), self.training.batch_size, config.seed)
        self.model = LDA(
            len(data.train.vocabulary),
            config.model.topics,
            config.model.hidden,
            config.model.prior_initial,
            tuple(config.model.concentration_range),
        ).to(device)
        self.parameters = list(self.model.parameters())
        self.optimizer = Adam(self.parameters, self.training.learning_rate)
        self.loss_and_grad = loss_and_grad(
            self._loss, self.parameters, config.compile, device, varying=lambda batch: batch.entries
        )
        self.num_samples = self.training.num_samples
        self.prior_burn_in_steps = self.training.prior_burn_in_steps

    def _loss(self, batch: BagOfWords) -> Tensor:
        terms = self.model.elbo(batch, self.estimator.expectation, self.num_samples)
        return (terms.kl - terms.log_likelihood).mean()

    def training_step(self, step: int) -> Tensor:
        """See ``irg_experiments.training.loop.Task``."""
        loss, gradients = self.loss_and_grad(self.stream.batch(step))
        waits = step < self.prior_burn_in_steps
        prior = self.model.prior_logits
        pairs = zip(self.parameters, gradients, strict=True)
        self.optimizer.step([None if waits and parameter is prior else gradient for parameter, gradient in pairs])
        return loss

    def evaluate(self, step: int) -> dict[str, float]:
        """Perplexity, bound and divergence of the whole test set, from one sample of the topic weights a document."""
        parts = [
            (*self.model.elbo(batch, self.estimator.expectation), batch.lengths, self._share_near_zero(batch))
            for batch in self.test.batches(EVALUATION_BATCH)
        ]
        log_likelihood, kl, lengths, near_zero = (torch.cat(part).double() for part in zip(*parts, strict=True))
        elbo = log_likelihood - kl
        return {
            "test_perplexity": (-elbo / lengths).mean().exp().item(),
            "test_perplexity_corpus": math.exp(-(elbo.sum() / lengths.sum()).item()),
            "test_elbo": elbo.mean().item(),
            "test_kl": kl.mean().item(),
            "topic_weight_sparsity": near_zero.mean().item(),
        }

    def _share_near_zero(self, batch: BagOfWords) -> Tensor:
        return (self.model.posterior(batch).rsample() < NEAR_ZERO).float().mean(-1)

    def mean_topic_weights(self) -> Tensor:
        """The posterior mean of each topic's weight, averaged over the test documents: shape (K,)."""
        with torch.no_grad():
            means = [self.model.posterior(batch).mean for batch in self.test.batches(EVALUATION_BATCH)]
        return torch.cat(means).mean(0).cpu()

    def state_dict(self) -> dict[str, Any]:
        """See ``irg_experiments.training.loop.Task``."""
        return {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See ``irg_experiments.training.loop.Task``."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])


class LdaExperiment:
    """The experiment of configs/experiment/lda.yaml."""

    named_by: tuple[str, ...] = ("data.name", "method.name")

    def __init__(self, config: Any, device: torch.device) -> None:
        self.config, self.device = config, device
        estimator = make_estimator(config.method)
        if not supports(estimator, Dirichlet):
            raise UserError(_no_dirichlet(config.method.name))
        self.data = load_topic_data(config.data.name, Path(config.data.root))
        self.task = LdaTask(config, self.data, estimator, device)

    def run(self, directory: Path) -> TrainingResult:
        """Trains to the end of the budget and evaluates."""
        t = self.config.training
        schedule = Schedule(t.steps, t.log_every, t.evaluate_every, t.checkpoint_every)
        return train(self.task, schedule, self.config.seed, directory, self.device)

    def show(self, directory: Path, record: dict[str, Any]) -> None:
        """Prints the topics and the table; writes the learning curve, the topic weights and, for bars, the topics' images."""
        console = Console()
        weights, topics = self.task.mean_topic_weights(), self.task.model.topics().detach().cpu()
        if self.data.topics is None:
            for line in _top_words(topics, weights, self.data.train.vocabulary):
                console.print(line, highlight=False, soft_wrap=True)
        console.print(_result_table(record, self.data.best_perplexity))
        for path in self._figures(directory, record, topics, weights):
            console.print(f"{path}", highlight=False, soft_wrap=True)

    def _figures(self, directory: Path, record: dict[str, Any], topics: Tensor, weights: Tensor) -> Iterator[Path]:
        folder, paper, best = directory / "figures", paper_perplexity(record), self.data.best_perplexity
        reference = ("paper", paper.mean) if paper else ("true model", best) if best else None
        rows = read_metrics(directory / "metrics.jsonl")
        yield figures.learning_curve(folder / "learning_curve.png", rows, "test_perplexity", reference)
        sparsity = record["metrics"]["topic_weight_sparsity"]
        yield figures.topic_weights(folder / "topic_weights.png", weights.numpy(), sparsity, NEAR_ZERO)
        if self.data.topics is not None:
            learned = match_topics(topics, self.data.topics)
            pictures = {"true": self.data.topics.numpy(), "learned": learned.numpy()}
            yield figures.topic_images(folder / "topics.png", pictures, SIDE)


def match_topics(learned: Tensor, true: Tensor) -> Tensor:
    """The learned topics in the order of the true ones they are nearest to, by total variation; the others follow."""
    distance = (learned[:, :, None] - true[:, None, :]).abs().sum(0) / 2
    rows, columns = linear_sum_assignment(distance.numpy())
    matched = [int(row) for _, row in sorted(zip(columns, rows, strict=True))]
    others = [topic for topic in range(learned.shape[1]) if topic not in matched]
    return learned[:, matched + others]


def _no_dirichlet(method: str) -> str:
    able = [name for name, make in ESTIMATORS.items() if supports(make(), Dirichlet)]
    reason = f"method={method} cannot differentiate samples of LDA's Dirichlet posterior"
    if method == "explicit":
        reason += " (its inverse has no closed form; the explicitly reparameterized topic model is LN-LDA, logistic normal)"
    return f"{reason}. Methods that can: {', '.join(able)}."


def _top_words(topics: Tensor, weights: Tensor, vocabulary: tuple[str, ...]) -> Iterator[str]:
    yield f"Topics by mean weight over the test documents, with their {TOP_WORDS} most probable words:"
    for topic in weights.argsort(descending=True).tolist():
        words = topics[:, topic].topk(min(TOP_WORDS, len(vocabulary))).indices
        yield f"{weights[topic]:6.3f}  {' '.join(vocabulary[word] for word in words)}"


def _result_table(record: dict[str, Any], best_perplexity: float | None) -> Table:
    paper, metrics = paper_perplexity(record), record["metrics"]
    title = f"LDA, {record['method']}, {record['data']}, {record['steps']:,} steps, seed {record['seed']}"
    table = Table(title=title, title_justify="left")
    for header in ("metric", "measured", "paper", "true model"):
        table.add_column(header, justify="left" if header == "metric" else "right")
    best = f"{best_perplexity:.2f}" if best_perplexity else "–"
    table.add_row("test perplexity, mean over documents", f"{metrics['test_perplexity']:.2f}", str(paper or "–"), best)
    table.add_row("test perplexity, corpus level", f"{metrics['test_perplexity_corpus']:.2f}", "–", "–")
    table.add_row("test ELBO, nats a document", f"{metrics['test_elbo']:.2f}", "–", "–")
    table.add_row("test KL, nats a document", f"{metrics['test_kl']:.2f}", "–", "–")
    table.add_row(f"document weights below {NEAR_ZERO:g}", f"{metrics['topic_weight_sparsity']:.1%}", "–", "–")
    table.add_row("steps a second", f"{record['steps_per_second']:.0f}", "–", "–")
    return table
