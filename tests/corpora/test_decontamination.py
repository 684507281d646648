"""Sentences of test sets are kept out, and sets that are not at hand are named."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mling_embed.corpora import evaluation_sentences
from mling_embed.corpora.build import build_corpus
from mling_embed.corpora.decontamination import ExcludedTexts, match_form
from mling_embed.corpora.deduplication import Numbering, key_of
from mling_embed.corpora.evaluation_sentences import EvaluationSentences, sentences_in_file
from mling_embed.corpora.inputs import guess_input
from mling_embed.corpora.manifests import Manifest, SplitFile, manifests_with_role


def test_match_form_passes_over_case_space_and_punctuation() -> None:
    assert match_form("Don't  PANIC!") == match_form("don’t panic") == "dontpanic"
    assert match_form("e\u0301") == match_form("É")
    assert match_form("कि") != match_form("की")
    assert match_form("C++") != match_form("C")
    assert match_form("¿?…") == ""


def test_texts_without_letters_exclude_nothing() -> None:
    excluded = ExcludedTexts(["Hi!", "...", ""])
    assert len(excluded) == 1
    assert key_of(match_form("hi")) in excluded
    assert key_of("") not in excluded


@given(st.lists(st.lists(st.integers(0, 30), max_size=12), max_size=12))
def test_numbering_is_that_of_a_dictionary(batches: list[list[int]]) -> None:
    numbering, known = Numbering(), dict[int, int]()
    for batch in batches:
        numbers, first = numbering.add(np.array(batch, dtype=np.uint64))
        for key, number, is_first in zip(batch, numbers.tolist(), first.tolist(), strict=True):
            assert is_first == (key not in known)
            assert number == known.setdefault(key, len(known))
    assert len(numbering) == len(known)


def manifest(folder: Path, name: str, files: list[dict[str, object]]) -> Manifest:
    values = {
        "name": name,
        "title": name,
        "kind": "local",
        "homepage": "https://example.org/",
        "license": "CC0-1.0",
        "commercial_use": True,
        "citation": "none",
        "languages": ["de"],
        "splits": [{"name": "test", "role": "test", "files": files}],
    }
    return Manifest.model_validate(values, context={"folder": folder})


def test_test_sets_are_kept_out_and_absent_ones_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    data = b"It is a test.\n"
    (tmp_path / "a.en").write_bytes(data)
    here = {"path": "a.en", "format": "lines", "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    sets = [
        manifest(tmp_path, "at-hand", [here]),
        manifest(tmp_path, "not-at-hand", [{"path": "b.en", "format": "lines"}]),
    ]
    monkeypatch.setattr(evaluation_sentences, "manifests_with_role", lambda role: sets)
    path = tmp_path / "pairs.tsv"
    path.write_text("it is a test\tes ist ein Test\nIt is none\tEs ist keiner\n", encoding="utf-8")
    corpus = build_corpus([guess_input(f"{path}:de")], tmp_path / "c")
    assert corpus.english_texts() == ["It is none"]
    assert corpus.info["rejected"] == {"in-evaluation-set": 1}
    excluded = corpus.info["options"]["excluded"]
    assert (excluded["checked"], excluded["not_checked"]) == (["at-hand"], ["not-at-hand"])
    assert "1 test sets are not at hand, so their sentences may be in the corpus: not-at-hand" in caplog.text


SQUAD = {
    "data": [{"title": "T", "paragraphs": [{"id": "7", "sentences": ["One.", "Two."], "qas": [{"question": "Q?"}]}]}]
}


@pytest.mark.parametrize(
    ("format_", "columns", "header", "data", "expected"),
    [
        ("lines", {}, False, "a\nb\n", ["a", "b"]),
        ("id-text", {}, False, "id-1\ta\nid-2\tb\n", ["a", "b"]),
        ("tsv", {"english": 0, "other": 1, "score": 2}, False, "a\tb\t3.0\n", ["a", "b"]),
        ("csv", {"sentence1": "s", "score": "n"}, True, 'n,s\n1,"a, b"\n', ["a, b"]),
        ("jsonl", {"english": "e"}, False, '{"e": "a", "n": 1}\n', ["a"]),
        ("squad", {}, False, json.dumps(SQUAD), ["One.", "Two.", "Q?"]),
        ("auxiliary", {}, False, "1-1\n", []),
    ],
)
def test_sentences_of_each_format(
    format_: str,
    columns: dict[str, int | str],
    header: bool,
    data: str,
    expected: list[str],
    tmp_path: Path,
) -> None:
    path = tmp_path / "file"
    path.write_text(data, encoding="utf-8")
    file = SplitFile(path=path, format=format_, columns=columns, header=header)
    assert list(sentences_in_file(file, path)) == expected


def test_the_packaged_manifests_are_all_accounted_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLING_EMBED_HOME", str(tmp_path))
    monkeypatch.delenv("MLING_EMBED_MIRROR", raising=False)
    sentences = EvaluationSentences()
    for _ in sentences:
        pass
    names = {one.name for one in manifests_with_role("test")}
    assert {*sentences.checked, *sentences.not_checked} == names
    assert "tatoeba-v1" in sentences.not_checked
