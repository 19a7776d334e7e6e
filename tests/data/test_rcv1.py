import functools
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix, save_npz, vstack

from irg_experiments.data import Corpus, TopicData, rcv1
from irg_experiments.data.ltc import counts_from_ltc
from irg_experiments.errors import UserError
from tests.data.ltc_weights import COLLECTION, NUM_WORDS, ltc, random_counts

NUM_DOCUMENTS, KEPT = 400, 50


@pytest.fixture(scope="module")
def counts() -> csr_matrix:
    """Two documents without words and, at the end, one that has a single word."""
    single = csr_matrix(([1], ([0], [0])), (1, NUM_WORDS), dtype=np.int32)
    return vstack([csr_matrix((2, NUM_WORDS), dtype=np.int32), random_counts(NUM_DOCUMENTS - 3), single]).tocsr()


@pytest.fixture(autouse=True)
def conversions(counts: csr_matrix, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[int]:
    """Instead of converting weights, the counts that they are of. The list gets an entry for each conversion."""
    made: list[int] = []

    def convert(weights: csr_matrix) -> csr_matrix:
        made.append(weights.shape[0])
        return counts.copy()

    monkeypatch.setattr(rcv1, "counts_from_ltc", convert)
    monkeypatch.setattr(rcv1, "NUM_DOCUMENTS", NUM_DOCUMENTS)
    monkeypatch.setattr(rcv1, "NUM_TEST", 100)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return made


@pytest.fixture
def downloads(counts: csr_matrix, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """scikit-learn's function without the network. The list gets an entry for each download."""
    made: list[str] = []

    def fetch_rcv1(data_home: str) -> SimpleNamespace:
        path = Path(data_home) / rcv1.SOURCE
        if not path.exists():
            made.append(data_home)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"weights")
        return SimpleNamespace(data=ltc(counts).astype(np.float64))

    monkeypatch.setattr("sklearn.datasets.fetch_rcv1", fetch_rcv1)
    return made


@pytest.fixture
def subset(counts: csr_matrix, tmp_path: Path) -> Path:
    (tmp_path / rcv1.SUBSET).parent.mkdir()
    save_npz(tmp_path / rcv1.SUBSET, ltc(counts))
    return tmp_path


def dense(corpus: Corpus) -> torch.Tensor:
    (batch,) = corpus.batches(len(corpus))
    result = torch.zeros(len(corpus), len(corpus.vocabulary))
    result[batch.documents, batch.words] = batch.counts
    return result


def equal(first: TopicData, second: TopicData) -> bool:
    pairs = ((first.train, second.train), (first.test, second.test))
    return all(a.vocabulary == b.vocabulary and torch.equal(dense(a), dense(b)) for a, b in pairs)


def test_frequent_words_and_a_seeded_split(counts: csr_matrix, downloads: list[str], tmp_path: Path):
    data = rcv1.load(tmp_path, KEPT)
    every = torch.from_numpy(counts.toarray())
    frequency = (every > 0).sum(0)
    kept = (-frequency).argsort(stable=True)[:KEPT].sort().values
    assert data.train.vocabulary == data.test.vocabulary == tuple(str(word) for word in kept.tolist())
    order = torch.randperm(NUM_DOCUMENTS, generator=torch.Generator().manual_seed(2004))
    for corpus, documents in ((data.test, order[:100]), (data.train, order[100:])):
        expected = every[documents.sort().values][:, kept]
        assert torch.equal(dense(corpus), expected[expected.sum(1) > 0].float())
    # the documents without any of the words
    assert len(data.train) + len(data.test) == int((every[:, kept].sum(1) > 0).sum()) < NUM_DOCUMENTS


def test_counts_are_those_of_the_weights(subset: Path, monkeypatch: pytest.MonkeyPatch):
    expected = rcv1.load_subset(subset, KEPT)
    monkeypatch.setattr(rcv1, "counts_from_ltc", functools.partial(counts_from_ltc, collection_size=COLLECTION))
    for cache in (subset / rcv1.SUBSET).parent.glob("counts-*.npz"):
        cache.unlink()
    assert equal(rcv1.load_subset(subset, KEPT), expected)


def test_weights_are_downloaded_and_converted_once(downloads: list[str], conversions: list[int], tmp_path: Path):
    first = rcv1.load(tmp_path, KEPT)
    assert equal(first, rcv1.load(tmp_path, KEPT))
    assert downloads == [str(tmp_path)]
    assert conversions == [NUM_DOCUMENTS]
    rcv1.load(tmp_path, KEPT + 1)
    (tmp_path / rcv1.SOURCE).write_bytes(b"other weights")
    rcv1.load(tmp_path, KEPT)
    assert len(conversions) == 3


def test_the_subset_is_split_in_proportion(subset: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rcv1, "NUM_DOCUMENTS", 2 * NUM_DOCUMENTS)
    data = rcv1.load_subset(subset, NUM_WORDS)
    assert len(data.test) in (48, 49, 50)
    assert len(data.train) + len(data.test) == NUM_DOCUMENTS - 2


@pytest.mark.parametrize("damage", [lambda content: content[:-500], lambda content: b"", lambda content: content[::-1]])
def test_a_damaged_cache_is_made_again(subset: Path, conversions: list[int], damage: Callable[[bytes], bytes]):
    first = rcv1.load_subset(subset, KEPT)
    (cache,) = (subset / rcv1.SUBSET).parent.glob("counts-*.npz")
    content = cache.read_bytes()
    cache.write_bytes(damage(content))
    assert equal(first, rcv1.load_subset(subset, KEPT))
    assert cache.read_bytes() == content
    assert len(conversions) == 2


def test_one_altered_byte_in_the_cache_is_found(subset: Path, conversions: list[int]):
    first = rcv1.load_subset(subset, KEPT)
    (cache,) = (subset / rcv1.SUBSET).parent.glob("counts-*.npz")
    content = bytearray(cache.read_bytes())
    content[len(content) // 2] ^= 1
    cache.write_bytes(content)
    assert equal(first, rcv1.load_subset(subset, KEPT))
    assert len(conversions) == 2


def test_the_cache_of_a_read_only_folder_is_elsewhere(subset: Path, conversions: list[int]):
    folder = (subset / rcv1.SUBSET).parent
    folder.chmod(0o555)
    try:
        first = rcv1.load_subset(subset, KEPT)
        assert equal(first, rcv1.load_subset(subset, KEPT))
        assert len(list(folder.iterdir())) == 1
    finally:
        folder.chmod(0o755)
    assert len(list((subset / "cache" / "irg_experiments").iterdir())) == 1
    assert len(conversions) == 1


def test_without_a_place_for_the_cache_counts_are_made_every_time(
    subset: Path, conversions: list[int], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(subset / rcv1.SUBSET))  # a file
    folder = (subset / rcv1.SUBSET).parent
    folder.chmod(0o555)
    try:
        load = functools.partial(rcv1.load_subset, subset, KEPT)
        assert equal(load(), load())
    finally:
        folder.chmod(0o755)
    assert len(conversions) == 2
    assert "Nothing was kept for later runs: " in caplog.text


def test_a_missing_subset_is_one_line_with_the_remedy(tmp_path: Path):
    with pytest.raises(UserError, match=r"^Missing data file .*ltc_weights\.npz: .*save_npz.* or use data=newsgroups\.$"):
        rcv1.load_subset(tmp_path)


def test_a_damaged_subset_is_reported_and_left_as_it_is(subset: Path):
    path = subset / rcv1.SUBSET
    path.write_bytes(content := path.read_bytes()[:300])
    with pytest.raises(UserError, match=r"^.*ltc_weights\.npz is damaged or incomplete: .*Nothing was overwritten") as error:
        rcv1.load_subset(subset)
    assert "\n" not in str(error.value)
    assert path.read_bytes() == content


def test_a_failed_download_is_one_line_and_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fetch_rcv1(data_home: str) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr("sklearn.datasets.fetch_rcv1", fetch_rcv1)
    with pytest.raises(UserError, match=r"cannot be downloaded: no network\. .*data=rcv1_subset or data=newsgroups\.$"):
        rcv1.load(tmp_path / "mistyped")
    assert not list(tmp_path.iterdir())


def test_a_damaged_download_is_reported(downloads: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    rcv1.load(tmp_path, KEPT)

    def fetch_rcv1(data_home: str) -> None:
        raise EOFError

    monkeypatch.setattr("sklearn.datasets.fetch_rcv1", fetch_rcv1)
    with pytest.raises(UserError, match=r"RCV1 is damaged or incomplete: EOFError.* remove the folder"):
        rcv1.load(tmp_path, KEPT + 1)


def test_files_that_are_missing_beside_the_weights_are_called_so(
    downloads: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    rcv1.load(tmp_path, KEPT)

    def fetch_rcv1(data_home: str) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr("sklearn.datasets.fetch_rcv1", fetch_rcv1)
    message = r"RCV1 is incomplete, and scikit-learn could not download the rest: no network\. Repeat .*data=rcv1_subset or"
    with pytest.raises(UserError, match=message):
        rcv1.load(tmp_path, KEPT + 1)


def test_too_few_documents_are_refused(tmp_path: Path, counts: csr_matrix, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rcv1, "NUM_TEST", 0)
    (tmp_path / rcv1.SUBSET).parent.mkdir()
    save_npz(tmp_path / rcv1.SUBSET, ltc(counts))
    with pytest.raises(UserError, match="too few documents"):
        rcv1.load_subset(tmp_path)


@pytest.mark.data
def test_the_real_subset(data_root: Path, caplog: pytest.LogCaptureFixture):
    if not (data_root / rcv1.SUBSET).exists():
        pytest.skip("no subset of RCV1")
    from scipy.sparse import load_npz

    sample = load_npz(data_root / rcv1.SUBSET)[::8]
    with caplog.at_level("INFO"):
        counts = counts_from_ltc(sample)
    (share,) = re.findall(r"\(([\d.]+)%\) are exact", caplog.text)
    assert float(share) >= 99.9
    # Lewis et al. (2004) report 123.9 tokens per document
    assert abs(counts.sum() / counts.shape[0] - 123.9) < 5
    assert counts.max() < 1000
