"""20 Newsgroups as prepared by Srivastava & Sutton (2017): stop words removed, 1,995 words kept."""

from pathlib import Path

import torch

from irg_experiments.data.bag_of_words import Corpus, TopicData
from irg_experiments.data.download import RemoteFile, fetch
from irg_experiments.errors import UserError

_ORIGIN = "sophieburkhardt/dirichlet-vae-topic-models"
_COMMIT = "3d3593654272b01877ae70a07f9e3b562987830d"


def _file(name: str, sha256: str) -> RemoteFile:
    mirrors = (
        f"https://raw.githubusercontent.com/{_ORIGIN}/{_COMMIT}/data/20news/{name}",
        f"https://cdn.jsdelivr.net/gh/{_ORIGIN}@{_COMMIT}/data/20news/{name}",
    )
    return RemoteFile(f"newsgroups/{name}", f"sha256:{sha256}", mirrors)


FILES = {
    "train": _file("train.feat", "6c4b612d03bb54c68c923ae7b689398c4a7bd1046b0874332dfe0a0c42830143"),
    "test": _file("test.feat", "5e5beaff3c66affeb08aeefb69e40e3e1c52360cdad2df03e7df2ecb6b79fad0"),
    "vocabulary": _file("vocab.new", "75594f361e317a8c8fafca9846e903143ff25bb57ac4207ff850ef4245eb94bb"),
}


def load(root: Path) -> TopicData:
    """11,258 training and 7,487 test documents. Files are downloaded below ``root`` if they do not exist.

    Raises:
        UserError: a file cannot be downloaded or read, or has a wrong checksum.
    """
    paths = {name: fetch(file, root) for name, file in FILES.items()}
    vocabulary = tuple(line.split()[0] for line in paths["vocabulary"].read_text("utf-8").splitlines())
    return TopicData(train=parse(paths["train"], vocabulary), test=parse(paths["test"], vocabulary))


def parse(path: Path, vocabulary: tuple[str, ...]) -> Corpus:
    """Reads a corpus with one document per line, ``label word:count word:count …``, words counted from 1.

    Documents without words are dropped.

    Raises:
        UserError: a line has another form.
    """
    words: list[int] = []
    counts: list[float] = []
    offsets = [0]
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        try:
            entries = [entry.split(":") for entry in line.split()[1:]]
            words += [int(word) - 1 for word, _ in entries]
            counts += [float(count) for _, count in entries]
        except ValueError as error:
            raise UserError(f"{path}, line {number}: not of the form 'label word:count …' ({error}).") from error
        if entries:
            offsets.append(len(words))
    return Corpus(torch.tensor(words), torch.tensor(counts), torch.tensor(offsets), vocabulary)
