"""Sides: what is kept once, what is left out and why, and that memory and file hold the same."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from mling_embed.corpora.records import Reason
from mling_embed.errors import DataError
from mling_embed.mining import sentences
from mling_embed.mining.sentences import RejectedSentence, SentenceFilter, collect_sentences
from mling_embed.mining.sources import sentence_source

TEXTS = ["b", "a", "", " b ", "e\u0301", "\u00e9", "a\x00", "c", "a", "x" * 2001, "a\ud800"]


def test_each_text_once_with_all_its_ids() -> None:
    told: list[RejectedSentence] = []
    side = collect_sentences(sentence_source(TEXTS), rejected=told.append)
    rows = np.arange(len(side))
    assert side.texts(rows) == ["b", "a", "é", "c"]
    assert side.ids(rows) == [("0", "3"), ("1", "8"), ("4", "5"), ("7",)]
    assert side.positions.tolist() == [0, 1, 4, 7]
    assert side.counts.as_json() == {
        "read": 11,
        "distinct": 4,
        "duplicates": 3,
        "rejected": {"control-characters": 1, "empty": 1, "too-long": 1, "undecodable": 1},
    }
    assert [(each.line, each.reason) for each in told] == [
        (2, Reason.EMPTY),
        (6, Reason.CONTROL_CHARACTERS),
        (9, Reason.TOO_LONG),
        (10, Reason.UNDECODABLE),
    ]
    assert told[-1].text == "a\\ud800"


def test_rows_in_any_order_and_repeated() -> None:
    side = collect_sentences(sentence_source(["a", "b", "c"]))
    assert side.texts(np.array([2, 0, 2])) == ["c", "a", "c"]
    assert side.texts(np.array([], dtype=np.int64)) == []
    assert side.texts(slice(1, 9)) == ["b", "c"]


def test_a_file_holds_what_memory_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentences, "_CHUNK", 3)
    for name, numbers in (("a.de", range(10)), ("b.de.gz", range(5, 20))):
        text = "".join(f"Satz {number}\n" for number in numbers).encode()
        (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    source = sentence_source([tmp_path][0])
    held, mapped = collect_sentences(source), collect_sentences(source, folder=tmp_path / "work")
    rows = np.arange(20)[::-1]
    assert mapped.texts(rows) == held.texts(rows) == [f"Satz {number}" for number in range(19, -1, -1)]
    assert mapped.ids(np.array([7]))[0] == ("a.de:8", "b.de.gz:3")
    assert mapped.file_starts == held.file_starts == (0, 10)
    again = collect_sentences(source, folder=tmp_path / "work")
    assert again.table.equals(mapped.table)
    assert len(list((tmp_path / "work").iterdir())) == 1


def test_scripts_and_limits() -> None:
    russian = sentence_source(["Где вокзал?", "Where is it?", "42"], language="ru")
    assert collect_sentences(russian).counts.rejected == {Reason.WRONG_SCRIPT: 1}
    everything = SentenceFilter(max_characters=None, min_script_share=None)
    assert collect_sentences(russian, keep=everything).counts.rejected == {}


def test_language_identification() -> None:
    pytest.importorskip("lingua")
    german = sentence_source(
        ["Wo ist bitte der nächste Bahnhof in dieser Stadt?", "Where is the nearest railway station in this town?"],
        language="de",
    )
    kept = collect_sentences(german, keep=SentenceFilter(min_language_confidence=0.5))
    assert kept.counts.rejected == {Reason.WRONG_LANGUAGE: 1}


def test_an_id_that_stands_twice_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mling_embed.mining.sources._SAMPLED_LINES", 1)
    monkeypatch.setattr(sentences, "_CHUNK", 2)
    (tmp_path / "x.txt").write_text("a\tone\nb\ttwo\na\tthree\n")
    with pytest.raises(DataError, match=r"x\.txt:3: the id 'a' stands here for the second time"):
        collect_sentences(sentence_source(tmp_path / "x.txt"))


@pytest.mark.parametrize("texts", [[], [""], ["\u200b"]])
def test_nothing_to_mine(texts: list[str]) -> None:
    side = collect_sentences(sentence_source(texts))
    assert (len(side), side.file_starts, side.texts(slice(0, 5))) == (0, (), [])
    assert side.counts.read == side.counts.rejected.total()
