"""Documents aligned from texts to files, with a real small encoder and with given vectors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mling_embed.corpora.build import build_corpus
from mling_embed.corpora.inputs import guess_input
from mling_embed.corpora.records import Reason
from mling_embed.errors import DataError, MlingEmbedError, UsageError
from mling_embed.mining.alignment.align import AlignOptions, align
from mling_embed.mining.alignment.documents import Split, read_document
from mling_embed.mining.alignment.gold import read_ladder
from mling_embed.mining.alignment.links import Link
from mling_embed.mining.alignment.spans import Spans

GERMAN = ["Das Haus ist rot.", "Es hat ein Dach.", "Der Garten ist groß.", "Wir wohnen gern hier."]
ENGLISH = [
    "The house is red and it has a roof.",
    "The garden is large.",
    "An aside that says something else.",
    "We like to live here.",
]
WAYS = np.eye(8)
VECTORS = (WAYS[[0, 1, 2, 3]], np.stack([WAYS[0] + WAYS[1], WAYS[2], WAYS[6], WAYS[3]]))
LINKS = [((0, 1), (0,)), ((2,), (1,)), ((), (2,)), ((3,), (3,))]


def sides(links: Sequence[Link]) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    return [(link.source, link.target) for link in links]


def test_two_lists_with_vectors() -> None:
    found = align(GERMAN, ENGLISH, vectors=VECTORS)
    assert sides(found.links) == LINKS
    assert next((pair.source, pair.target, pair.source_ids) for pair in found) == (
        "Das Haus ist rot. Es hat ein Dach.",
        ENGLISH[0],
        ("0", "1"),
    )
    assert len(found) == 3
    assert found.share == 7 / 8
    assert found.summary()["shapes"] == {"0:1": 1, "1:1": 2, "2:1": 1}


@pytest.mark.parametrize("spans", list(Spans))
def test_two_files_with_a_model(student: str, tmp_path: Path, spans: Spans) -> None:
    words = [f"baran {a} kodel {b} mifis {c}" for a, b, c in zip("abcdefgh", "stuvwxyz", "qrstuvwx", strict=True)]
    halves = [part for text in words for part in (text[:10], text[10:])]
    (tmp_path / "x.de").write_text("\n".join(words), encoding="utf-8")
    (tmp_path / "x.en").write_text("\n".join([*halves[:4], *words[2:]]) + "\n", encoding="utf-8")
    found = align(tmp_path / "x.de", tmp_path / "x.en", student, options=AlignOptions(spans=spans))
    assert found.languages == ("de", "en")
    assert sides(found.links)[:3] == [((0,), (0, 1)), ((1,), (2, 3)), ((2,), (4,))]
    assert all(link.score == pytest.approx(1, abs=1e-3) for link in found.links[2:])
    assert list(align(tmp_path / "x.de", tmp_path / "x.en", student, options=AlignOptions(spans=spans))) == list(found)


def test_lines_that_are_no_sentences_are_recorded_and_counted_on(tmp_path: Path) -> None:
    (tmp_path / "x.de").write_bytes(b"Eins.\n\ncaf\xe9\nZwei.\n\x00\n")
    document = read_document(tmp_path / "x.de")
    assert document.sentences == ("Eins.", "Zwei.")
    assert (document.numbers, document.ids, document.n_read) == ((0, 3), ("1", "4"), 5)
    assert [(each.line, each.reason) for each in document.rejected] == [
        (2, Reason.EMPTY),
        (3, Reason.UNDECODABLE),
        (5, Reason.CONTROL_CHARACTERS),
    ]
    found = align(document, ["One.", "Two."], vectors=(WAYS[:5], WAYS[[0, 3]]))
    assert sides(found.links) == [((0,), (0,)), ((3,), (1,))]
    assert found.summary()["sides"][0]["rejected"] == {"control-characters": 1, "empty": 1, "undecodable": 1}


def test_paragraphs_are_split_by_rules(tmp_path: Path) -> None:
    (tmp_path / "x.de").write_text("Dr. Meier kam an. Er blieb.\nEnde.\n", encoding="utf-8")
    document = read_document(tmp_path / "x.de", split=Split.SENTENCES)
    assert document.sentences == ("Dr. Meier kam an.", "Er blieb.", "Ende.")
    assert document.ids == ("1#1", "1#2", "2")
    japanese = read_document(["駅はどこですか。ここです。"], split=Split.SENTENCES)
    assert japanese.sentences == ("駅はどこですか。", "ここです。")


def test_sentences_of_unspaced_scripts_are_joined_without_a_space(tmp_path: Path) -> None:
    (tmp_path / "x.ja").write_text("家は赤い。\n屋根がある。\n", encoding="utf-8")
    (tmp_path / "x.en").write_text("The house is red and has a roof.\n", encoding="utf-8")
    (pair,) = align(tmp_path / "x.ja", tmp_path / "x.en", vectors=(WAYS[:2], WAYS[:1] + WAYS[1:2]))
    assert pair.source == "家は赤い。屋根がある。"


@pytest.mark.parametrize("name", ["a.tsv", "a.jsonl", "a.tmx", "a.moses"])
def test_what_is_written_goes_into_a_corpus_as_it_is(tmp_path: Path, name: str) -> None:
    for language, texts in (("de", GERMAN), ("en", ENGLISH)):
        (tmp_path / f"x.{language}").write_text("\n".join(texts), encoding="utf-8")
    found = align(f"{tmp_path / 'x.de'}:de", f"{tmp_path / 'x.en'}:en", vectors=VECTORS)
    files = found.write(tmp_path / name)
    word = str(files[0]) if len(files) == 1 else f"{tmp_path / 'a.en'},{tmp_path / 'a.de'}:de"
    corpus = build_corpus([guess_input(word)], tmp_path / "corpus", dev_fraction=0.0, decontaminate=False)
    assert corpus.english_texts() == [ENGLISH[0], ENGLISH[1], ENGLISH[3]]
    assert corpus.pairs("de").text_list() == ["Das Haus ist rot. Es hat ein Dach.", GERMAN[2], GERMAN[3]]


def test_a_ladder_holds_every_link_and_is_read_again(tmp_path: Path) -> None:
    found = align(GERMAN, ENGLISH, vectors=VECTORS)
    (path,) = found.write(tmp_path / "x.ladder")
    assert path.read_text(encoding="utf-8").split("\n")[2] == "[]:[2]:0.000000"
    assert sides(read_ladder(path)) == LINKS


def test_json_lines_have_scores_and_ids(tmp_path: Path) -> None:
    found = align(GERMAN, ENGLISH, vectors=VECTORS, options=AlignOptions(min_score=0.9))
    (path,) = found.write(tmp_path / "x.jsonl")
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [record["sentence2_ids"] for record in records] == [["0"], ["1"], ["3"]]
    assert all(record["score"] >= 0.9 for record in records)


BAD: list[tuple[dict[str, Any], type[MlingEmbedError], str]] = [
    ({"vectors": None}, UsageError, "neither a model nor vectors"),
    ({"model": "x"}, UsageError, "a model and vectors: give one of them"),
    ({"document": []}, DataError, "holds no sentence; 0 lines were read"),
    ({"document": ["", " "]}, DataError, "holds no sentence; 2 lines were read"),
    ({"document": "no.de"}, DataError, "no.de: no such file"),
    ({"vectors": (WAYS[:3], WAYS[:4])}, DataError, "3 vectors for 4 sentences: expected one for each line"),
    ({"vectors": (WAYS[:4], WAYS[:4, :3])}, UsageError, "vectors of 3 and 8 dimensions cannot be compared"),
    ({"vectors": (WAYS[:4], WAYS[:4] * np.nan)}, DataError, "vector 0 is not finite"),
    ({"vectors": (WAYS[:4], WAYS[0])}, UsageError, r"vectors of float64 and shape \(8,\)"),
]


@pytest.mark.parametrize(("change", "error", "match"), BAD, ids=[match for *_, match in BAD])
def test_bad_documents(change: dict[str, Any], error: type[MlingEmbedError], match: str) -> None:
    given: dict[str, Any] = {"document": GERMAN, "other": ENGLISH, "vectors": VECTORS, **change}
    with pytest.raises(error, match=match):
        align(given.pop("document"), given.pop("other"), **given)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"most": 1}, "links of 1 sentences, expected 2 to 16"),
        ({"most": 17}, "links of 17 sentences, expected 2 to 16"),
        ({"skip": 1.0}, "a skip cost of 1.0, expected one between -1 and 1"),
        ({"min_score": float("nan")}, "the least score is not a number"),
    ],
)
def test_bad_options(options: dict[str, Any], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        AlignOptions(**options)


def test_hostile_text_goes_through(student: str) -> None:
    texts = [
        "\u202bمرحبا\u202c",
        "👩‍👩‍👧‍👦",
        "e\u0301\u0323",
        "x\u2028y",
        "می‌خواهم",
        "a",
        '"',
        "<b>&amp;</b>",
        "y" * 9000,
    ]
    found = align(texts, texts, student)
    assert found.share == 1.0
    assert sides(found.links) == [((row,), (row,)) for row in range(9)]
