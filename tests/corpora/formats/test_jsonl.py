"""JSON lines: names that say the sides, structs, and what is no row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from reading import pairs, rows, write

from mling_embed.corpora.corpus_input import CorpusInput
from mling_embed.corpora.records import Pair, Reason, Reject
from mling_embed.errors import DataError

EN, DE = "This is the day.", "Das ist der Tag."


def one(tmp_path: Path, row: dict[str, Any], *, name: str = "a.jsonl") -> Path:
    return write(tmp_path / name, json.dumps(row) + "\n")


def test_rows_and_what_is_none(tmp_path: Path) -> None:
    lines = [
        json.dumps({"english": "a\nb", "non_english": "c", "n": 1}),
        "{not json",
        "[1]",
        json.dumps({"english": "a", "non_english": None}),
        "[" * 100_000,
    ]
    path = write(tmp_path / "a.jsonl", "\n".join(lines))
    read = rows(f"{path}:de")
    assert read[0] == Pair("a b", "c", "de", 1)
    assert [(row.line, row.reason) for row in read[1:] if isinstance(row, Reject)] == [
        (number, Reason.MALFORMED) for number in (2, 3, 4, 5)
    ]


@pytest.mark.parametrize(
    ("row", "language"),
    [
        ({"en": EN, "de": DE, "translation": "human"}, "de"),
        ({"translation": "human", "de": DE, "en": EN}, "de"),
        ({"english": EN, "other": DE, "language": "German"}, "de"),
        ({"english": EN, "other": DE, "language": "text/plain"}, "de"),
        ({"EN": EN, "DE": DE}, "de"),
        ({"eng": EN, "deu": DE}, "de"),
        ({"en-GB": EN, "de_AT": DE}, "de"),
        ({"English": EN, "German": DE, "id": 17}, "de"),
        ({"translation": {"de": DE, "en": EN}}, "de"),
        ({"id": "x1", "translation": {"de": DE, "en": EN, "fr": "C'est le jour."}}, "de"),
        ({"source_lang": "de", "target_lang": "en", "source": DE, "target": EN}, "de"),
        ({"source_lang": "de", "source": DE, "target": EN}, "de"),
        ({"src_lang": "deu_Latn", "src": DE, "tgt_lang": "eng_Latn", "tgt": EN}, "de"),
        ({"sentence_en": EN, "sentence_de": DE}, "de"),
        ({"sentence1": DE, "sentence2": EN}, "de"),
        ({"source": EN, "target": DE, "score": 0.9}, "de"),
        ({"text": EN, "de": DE}, "de"),
        ({"eng_Latn": EN, "deu_Latn": DE}, "de"),
    ],
)
def test_names_say_the_sides(row: dict[str, Any], language: str, tmp_path: Path) -> None:
    assert pairs(f"{one(tmp_path, row)}:{language}") == [(EN, DE, "de")]


def test_the_language_asked_for_is_found_among_others(tmp_path: Path) -> None:
    path = one(tmp_path, {"en": "A day.", "pt-BR": "Um dia.", "fr": "Un jour."})
    assert pairs(f"{path}:pt-BR") == [("A day.", "Um dia.", "pt-BR")]
    assert pairs(f"{path}:pt") == [("A day.", "Um dia.", "pt")]
    with pytest.raises(DataError, match=r"can be told; there are en \(text\), pt-BR \(text\), fr \(text\)"):
        rows(f"{path}:ja")
    with pytest.raises(DataError, match="Name the columns: FILE:LANGUAGE,english=en,other=pt-BR"):
        rows(str(path))


def test_without_a_language_the_names_say_it(tmp_path: Path) -> None:
    assert pairs(str(one(tmp_path, {"translation": {"en": EN, "de": DE}}))) == [(EN, DE, "de")]
    assert pairs(str(one(tmp_path, {"english": EN, "other": DE, "language": "German"}))) == [(EN, DE, "de")]


def test_a_language_column_that_can_be_read_is_believed(tmp_path: Path) -> None:
    data = [{"english": EN, "other": DE, "lang": lang} for lang in ("de", "fr", None, "no such")]
    path = write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, data)))
    assert [row[2] for row in pairs(f"{path}:de")] == ["de", "fr", "de", "no such"]  # the writer rejects two
    assert [row[2] for row in pairs(str(path))] == ["de", "fr", "no such"]
    assert Reject(Reason.UNKNOWN_LANGUAGE, json.dumps(data[2]), "und", 3) in rows(str(path))


def test_columns_are_named(tmp_path: Path) -> None:
    path = one(tmp_path, {"a": EN, "b": {"c": DE}})
    columns = {"english": "a", "other": "b.c"}
    assert rows(CorpusInput(paths=(path,), format="jsonl", language="de", columns=columns)) == [Pair(EN, DE, "de", 1)]
    assert pairs(f"{path}:de,english=a,other=b.c") == [(EN, DE, "de")]
    with pytest.raises(DataError, match=r"a\.jsonl:1: no column b\.d; there are a, b\.c"):
        rows(f"{path}:de,english=a,other=d.d,other=b.d".replace("other=d.d,", ""))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"source": 17, "target": DE}, r"source \(numbers\), target \(text\)"),
        ({"url_en": "http://a.org", "url_de": "http://b.org"}, r"\(addresses\)"),
        ({"n": 1}, r"there are n \(numbers\)"),
    ],
)
def test_what_is_no_text_is_refused(row: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        rows(f"{one(tmp_path, row)}:de")


def test_what_rows_say_wins_over_the_name_of_the_file(tmp_path: Path) -> None:
    path = one(tmp_path, {"source_lang": "de", "source": DE, "target": EN}, name="sl.jsonl")
    assert pairs(str(path)) == [(EN, DE, "de")]
    assert pairs(str(one(tmp_path, {"en": EN, "de": DE}, name="fr.jsonl"))) == [(EN, DE, "de")]
    assert pairs(str(one(tmp_path, {"source": EN, "target": DE}, name="de.jsonl"))) == [(EN, DE, "de")]
    assert pairs(str(one(tmp_path, {"en": EN, "de": DE, "fr": "Un jour."}, name="x.de.jsonl"))) == [(EN, DE, "de")]
