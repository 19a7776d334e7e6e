"""Peak memory of LDA on a corpus of RCV1's size: `python -m tests.benchmarks.lda_memory`.

Trains by the default implicit gradients on 804,414 generated documents with 60 million entries over 10,000 words, in the dtypes
in which the data set is loaded, and prints the peak resident memory of the process and steps per second.
"""

import argparse
import resource
import sys
import time

import numpy as np
import torch

from irg_experiments import implicit
from irg_experiments.data import Corpus, DocumentStream
from irg_experiments.estimators import Implicit
from irg_experiments.experiments.lda.updates import Updates
from irg_experiments.models.lda import LDA
from irg_experiments.training.process import fast_steps

DOCUMENTS, ENTRIES, NUM_WORDS = 804_414, 60_900_000, 10_000
TOPICS, BATCH, WARMUP = 50, 32, 20
PART = 2**20


def peak_gigabytes() -> float:
    """The largest resident memory of this process so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def zipf_corpus() -> Corpus:
    """Words by Zipf's law, counts 1 to 3, and lengths that vary; generated in parts, so that the peak is that of training."""
    generator = np.random.default_rng(0)
    share = generator.gamma(3.0, size=DOCUMENTS)
    offsets = np.concatenate([[0], np.cumsum(np.maximum(share * (ENTRIES / share.sum()), 1).astype(np.int64))])
    cumulative = np.cumsum(1 / np.arange(10, NUM_WORDS + 10))
    words, counts = np.empty(offsets[-1], np.int16), np.empty(offsets[-1], np.int16)
    for start in range(0, len(words), PART):
        part = slice(start, min(start + PART, len(words)))
        size = part.stop - part.start
        words[part] = np.searchsorted(cumulative, generator.random(size) * cumulative[-1] * (1 - 1e-12))
        counts[part] = generator.integers(1, 4, size)
    vocabulary = tuple(map(str, range(NUM_WORDS)))
    return Corpus(torch.from_numpy(words), torch.from_numpy(counts), torch.from_numpy(offsets), vocabulary)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=300, help="that are timed")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    implicit.set_compile("on")
    corpus = zipf_corpus()
    print(f"{len(corpus):,} documents, {len(corpus.words):,} entries: {peak_gigabytes():.2f} GB before training", flush=True)
    model, stream = LDA(NUM_WORDS, TOPICS, [300, 300, 300]), DocumentStream(corpus, BATCH, seed=0)
    updates = Updates(model, Implicit(), 1, 3e-4, by_rows=True, compiled=True, device=torch.device("cpu"))
    with fast_steps():
        for step in range(WARMUP + arguments.steps):
            if step == WARMUP:
                start = time.perf_counter()
            updates.step(stream.batch(step))
    seconds = time.perf_counter() - start
    print(f"peak memory {peak_gigabytes():.2f} GB, {arguments.steps / seconds:.0f} steps per second")


if __name__ == "__main__":
    main()
