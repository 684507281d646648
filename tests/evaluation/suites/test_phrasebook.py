"""The built-in phrasebook as tasks."""

from __future__ import annotations

from pathlib import Path

import pytest

from mling_embed.errors import DamagedFileError, DataError
from mling_embed.evaluation.suites import load_suite
from mling_embed.evaluation.suites import phrasebook as module
from mling_embed.evaluation.suites.phrasebook import phrasebook_sentences
from mling_embed.evaluation.tasks.bitext import BitextTask
from mling_embed.evaluation.tasks.retrieval import RetrievalTask
from mling_embed.evaluation.tasks.sts import StsTask


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
    monkeypatch.setattr(module, "manifest_folder", lambda: tmp_path)
    return folder


def test_phrasebook(phrasebook: Path) -> None:
    tasks = load_suite("phrasebook")
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
    assert questions.qrels == {"q1": {"p1": 1, "p2": 1}}


def test_phrasebook_of_one_language(phrasebook: Path) -> None:
    (phrasebook / "qa.tsv").unlink()
    tasks = load_suite("phrasebook", languages=["sw"])
    assert [task.label.name for task in tasks] == ["sw-en", "en-en"]
    assert next(phrasebook_sentences(phrasebook, split="train")).target_texts == ["Bread."]


def test_bad_phrasebooks(phrasebook: Path) -> None:
    with pytest.raises(DataError, match="no rows of split 'dev'"):
        list(phrasebook_sentences(phrasebook, split="dev"))
    with (phrasebook / "sentences.tsv").open("a") as file:
        file.write("s4\tfood\ttest\tRice.\n")
    with pytest.raises(DamagedFileError, match=r"sentences\.tsv:5: 4 columns, expected 6"):
        load_suite("phrasebook")
