"""Suites: from manifests, a corpus, and a phrasebook."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mling_embed.corpora.parallel import PairTable
from mling_embed.errors import DamagedFileError, DataError, UsageError
from mling_embed.evaluation.suites import suites
from mling_embed.evaluation.suites.suites import Suite, dev_tasks, load_suite, phrasebook_sentences, suite_named
from mling_embed.evaluation.tasks.tasks import BitextTask, RetrievalTask, StsTask

mirrored = pytest.mark.skipif("MLING_EMBED_MIRROR" not in os.environ, reason="MLING_EMBED_MIRROR is not set")


def test_names() -> None:
    assert suite_named("stsb") is Suite.STSB
    with pytest.raises(UsageError, match=r"no suite 'tatoba'\. Did you mean tatoeba\?"):
        suite_named("tatoba")
    with pytest.raises(UsageError, match="The suites are tatoeba, stsb, phrasebook, dev"):
        suite_named("qqq")


@mirrored
def test_tatoeba() -> None:
    tasks = load_suite(Suite.TATOEBA)
    assert len(tasks) == 112
    assert len({task.label.name for task in tasks}) == 112
    german = load_suite(Suite.TATOEBA, languages=["deu"])
    assert [str(task.label) for task in german] == ["tatoeba-v1 de-en"]
    assert len(german[0].source_texts) == 1000
    assert german[0].source_texts[0] == "Maria sagte, sie wisse nicht, wo Tom sei."
    assert german[0].target_texts[0] == "Mary said she didn't know where Tom was."
    assert german[0].label.revision == "74bc6ae7ffb7cba670fe0f428d0ede9f666fb821"
    with pytest.raises(UsageError, match="'tatoeba' has no task in zu"):
        load_suite(Suite.TATOEBA, languages=["de", "zu"])


@mirrored
def test_stsb() -> None:
    tasks = {task.label.name: task for task in load_suite(Suite.STSB, languages=["de", "ko"])}
    assert list(tasks) == ["en-en", "de-de", "en-de", "ko-ko", "en-ko"]
    assert {len(task.scores) for task in tasks.values()} == {1379}
    across = tasks["en-de"]
    assert (across.sentences1[0], across.sentences2[0], across.scores[0]) == (
        "A girl is styling her hair.",
        "Ein Mädchen bürstet sich die Haare.",
        2.5,
    )
    assert tasks["en-ko"].scores == tasks["en-en"].scores
    np.testing.assert_allclose(tasks["ko-ko"].scores, tasks["en-en"].scores, atol=0.01)


class _Corpus(SimpleNamespace):
    """Answer as `ParallelCorpus` does, from memory."""

    def pairs(self, language: str, split: Any) -> PairTable:
        assert split == "dev"
        return self.tables[language]

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
    return _Corpus(languages=("de",), tables={"de": german}, fingerprint="f00d")


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


def test_a_language_without_dev_pairs_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    one = corpus()
    none = PairTable(
        np.array([], dtype=np.int64),
        pa.chunked_array([pa.array([], pa.string())]),
        np.array([], dtype=np.int32),
        ("a",),
    )
    one.languages, one.path, one.tables["sw"] = ("de", "sw"), "c", none
    assert [task.label.languages[0] for task in load_suite(Suite.DEV, corpus=one)] == ["de", "de"]
    assert "sw: no pair in the dev split of c; it is not measured." in caplog.text
    with pytest.raises(DataError, match=r"c: its dev split holds no pairs: .* larger --dev-fraction"):
        load_suite(Suite.DEV, corpus=one, languages=["sw"])
    with pytest.raises(UsageError, match="c: no fr in it; there are de, sw"):
        load_suite(Suite.DEV, corpus=one, languages=["de", "fr"])


def test_the_cap_is_seeded() -> None:
    def drawn(seed: int) -> list[str]:
        return [*list(dev_tasks(corpus(), limit=2, seed=seed))[1].target_texts]

    assert drawn(0) == drawn(0)
    assert len(drawn(0)) == 2
    assert len({tuple(drawn(seed)) for seed in range(20)}) == 3


def test_dev_needs_a_corpus() -> None:
    with pytest.raises(UsageError, match="Name one with --corpus DIR"):
        load_suite(Suite.DEV)


@pytest.fixture
def phrasebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "phrasebook"
    folder.mkdir()
    (folder / "sentences.tsv").write_text(
        "id\ttopic\tsplit\ten\tde\tsw\n"
        "s1\tfood\ttrain\tBread.\tBrot.\tMkate.\n"
        "s2\tfood\ttest\tMilk.\tMilch.\tMaziwa.\n"
        "s3\tfood\ttest\tSalt.\tSalz.\tChumvi.\n"
    )
    (folder / "sts.tsv").write_text(
        "id\tscore\tsentence1_en\tsentence2_en\tsentence1_de\tsentence2_de\nt1\t5\ta\tb\tc\td\nt2\t1\te\tf\tg\th\n"
    )
    (folder / "qa.tsv").write_text(
        "id\tkind\trelevant\ten\tde\np1\tpassage\t\tMilk is white.\tMilch ist weiß.\n"
        "p2\tpassage\t\tSalt.\tSalz.\nq1\tquestion\tp1, p2\tWhite?\tWeiß?\n"
    )
    monkeypatch.setattr(suites, "manifest_folder", lambda: tmp_path)
    return folder


def test_phrasebook(phrasebook: Path) -> None:
    tasks = load_suite(Suite.PHRASEBOOK)
    assert [str(task.label) for task in tasks] == [
        "phrasebook de-en",
        "phrasebook sw-en",
        "phrasebook-sts en-en",
        "phrasebook-sts de-de",
        "phrasebook-sts en-de",
        "phrasebook-qa en-en",
        "phrasebook-qa de-en",
    ]
    german, swahili, _, _, across, _, questions = tasks
    assert isinstance(german, BitextTask)
    assert (german.source_texts, german.target_texts) == (["Milch.", "Salz."], ["Milk.", "Salt."])
    assert swahili.source_texts == ["Maziwa.", "Chumvi."]
    assert isinstance(across, StsTask)
    assert (across.sentences1, across.sentences2, across.scores) == (["a", "e"], ["d", "h"], [5.0, 1.0])
    assert isinstance(questions, RetrievalTask)
    assert questions.passages == {"p1": "Milk is white.", "p2": "Salt."}
    assert questions.queries == {"q1": "Weiß?"}
    assert questions.qrels == {"q1": {"p1": 1.0, "p2": 1.0}}


def test_phrasebook_of_one_language(phrasebook: Path) -> None:
    (phrasebook / "qa.tsv").unlink()
    tasks = load_suite(Suite.PHRASEBOOK, languages=["sw"])
    assert [task.label.name for task in tasks] == ["sw-en", "en-en"]
    assert next(phrasebook_sentences(phrasebook, split="train")).target_texts == ["Bread."]


def test_bad_phrasebooks(phrasebook: Path) -> None:
    with pytest.raises(DataError, match="no rows of split 'dev'"):
        list(phrasebook_sentences(phrasebook, split="dev"))
    with (phrasebook / "sentences.tsv").open("a") as file:
        file.write("s4\tfood\ttest\tRice.\n")
    with pytest.raises(DamagedFileError, match=r"sentences\.tsv:5: 4 columns, expected 6"):
        load_suite(Suite.PHRASEBOOK)
