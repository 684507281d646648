"""The dev split of a corpus."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mling_embed.corpora.parallel import PairTable
from mling_embed.errors import DataError, UsageError
from mling_embed.evaluation.suites.dev import dev_tasks, load_dev


class _Corpus(SimpleNamespace):
    """Answer as `ParallelCorpus` does, from memory."""

    def pairs(self, language: str, split: Any) -> PairTable:
        assert split == "dev"
        return self.tables[language]

    def english_rows(self, split: Any) -> np.ndarray:
        assert split == "dev"
        return np.unique(np.concatenate([table.english_rows for table in self.tables.values()]))

    def english_texts(self, rows: np.ndarray) -> list[str]:
        return [f"english {row}" for row in rows]


def corpus() -> Any:
    rows = np.array([5, 3, 5, 8, 9, 10])
    german = PairTable(
        rows,
        pa.chunked_array([[f"deutsch {row}/{i}" for i, row in enumerate(rows)]]),
        np.array([0, 0, 0, 1, 1, 1], dtype=np.int32),
        ("talks", "news"),
    )
    return _Corpus(languages=("de",), tables={"de": german}, n_pairs=len(rows), fingerprint="f00d")


def test_dev_split_by_language_and_source() -> None:
    talks, news = dev_tasks(corpus())
    assert str(talks.label) == "dev/talks de-en"
    assert (talks.label.split, talks.label.revision) == ("dev", "f00d")
    # English row 5 has two translations: the first stands for it.
    assert talks.source_texts == ["deutsch 5/0", "deutsch 3/1"]
    assert talks.target_texts == ["english 5", "english 3"]
    assert news.target_texts == ["english 8", "english 9", "english 10"]
    assert list(dev_tasks(corpus(), languages=["fr"])) == []


def test_inputs_of_one_name_are_one_source() -> None:
    one = corpus()
    table = one.tables["de"]
    one.tables["de"] = PairTable(table.english_rows, table.texts, table.source_codes, ("train", "train"))
    (task,) = dev_tasks(one)
    assert str(task.label) == "dev/train de-en"
    assert task.target_texts == ["english 5", "english 3", "english 8", "english 9", "english 10"]


def test_english_alone_is_found_among_itself() -> None:
    one = corpus()
    one.languages, one.n_pairs = (), 0
    (task,) = dev_tasks(one)
    assert (str(task.label), task.source_texts) == ("dev en-en", [f"english {row}" for row in (3, 5, 8, 9, 10)])
    assert task.target_texts == task.source_texts
    assert len(next(dev_tasks(one, limit=2)).source_texts) == 2


def test_a_language_without_dev_pairs_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    one = corpus()
    none = PairTable(
        np.array([], dtype=np.int64),
        pa.chunked_array([pa.array([], pa.string())]),
        np.array([], dtype=np.int32),
        ("a",),
    )
    one.languages, one.path, one.tables["sw"] = ("de", "sw"), "c", none
    assert [task.label.languages[0] for task in load_dev(one)] == ["de", "de"]
    assert "sw: no pair in the dev split of c; it is not measured." in caplog.text
    with pytest.raises(DataError, match=r"c: its dev split holds no pairs: .* larger --dev-fraction"):
        load_dev(one, languages=["sw"])
    with pytest.raises(UsageError, match="c: no fr in it; there are de, sw"):
        load_dev(one, languages=["de", "fr"])


def test_the_cap_is_seeded() -> None:
    def drawn(seed: int) -> list[str]:
        return [*list(dev_tasks(corpus(), limit=2, seed=seed))[1].target_texts]

    assert drawn(0) == drawn(0)
    assert len(drawn(0)) == 2
    assert len({tuple(drawn(seed)) for seed in range(20)}) == 3
