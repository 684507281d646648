"""Tasks from a user's files."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from mling_embed.errors import DataError
from mling_embed.evaluation.suites.user_files import (
    bitext_from_files,
    classification_from_files,
    retrieval_from_folder,
    sts_from_file,
)


def test_aligned_files(tmp_path: Path) -> None:
    (tmp_path / "x.de.gz").write_bytes(gzip.compress("\ufeffeins\r\nzwei \u2028 drei".encode()))
    (tmp_path / "x.en").write_bytes(b"one\ntwo three\n")
    task = bitext_from_files(tmp_path / "x.de.gz", tmp_path / "x.en", language="de")
    assert task.source_texts == ["eins", "zwei \u2028 drei"]
    assert task.target_texts == ["one", "two three"]
    assert task.label.languages == ("de", "en")


def test_aligned_files_in_utf_16(tmp_path: Path) -> None:
    (tmp_path / "x.de").write_bytes("größer\nÖl\n".encode("utf-16"))
    (tmp_path / "x.en").write_bytes(b"bigger\noil\n")
    assert bitext_from_files(tmp_path / "x.de", tmp_path / "x.en").source_texts == ["größer", "Öl"]


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (b"a\nb\nc\n", b"a\nb\n", r"a\.de has 3 lines and .*a\.en has 2; expected as many"),
        (b"", b"a\n", r"a\.de: the file is empty"),
        (b"a\n\nb\n", b"a\nb\nc\n", r"a\.de:2: the line is empty"),
        (b"a\n\xff\n", b"a\nb\n", r"a\.de:2: not UTF-8"),
    ],
)
def test_bad_aligned_files(source: bytes, target: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.de").write_bytes(source)
    (tmp_path / "a.en").write_bytes(target)
    with pytest.raises(DataError, match=message):
        bitext_from_files(tmp_path / "a.de", tmp_path / "a.en")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.de: no such file"):
        bitext_from_files(tmp_path / "none.de", tmp_path / "none.en")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", 'sentence1,sentence2,score\n"a, b",c,1\nd,"e ""f""",2.5\n'),
        ("a.csv", '"a, b",c,1\nd,"e ""f""",2.5'),
        ("a.tsv", 'id\tScore\tsentence2\tsentence1\n7\t1\tc\ta, b\n8\t2.5\te "f"\td\n'),
        ("a.txt", 'a, b\tc\t1\r\nd\te "f"\t2.5\r\n'),
    ],
)
def test_sts_files(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(text.encode())
    task = sts_from_file(tmp_path / name)
    assert task.sentences1 == ["a, b", "d"]
    assert task.sentences2 == ["c", 'e "f"']
    assert task.scores == [1.0, 2.5]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "first,second,grade\na,b,1\n", r"a\.csv:1: 3 columns \(first, second, grade\); expected a header"),
        ("a.tsv", "a,b,1\n", "1 columns .* split at tabs"),
        ("a.tsv", "a\tb\t1\textra\n", "4 columns"),
        ("a.tsv", "a\tb\t1\na\tb\thigh\n", r"a\.tsv:2: score 'high' is not a number"),
        ("a.tsv", "a\tb\t1\na\tb\n", r"a\.tsv:2: 2 columns, expected 3"),
        ("a.csv", 'a,b,1\n"c,d,2\n', r"a\.csv:2: not CSV"),
        ("a.csv", "", "the file is empty"),
        ("a.tsv", "\n\n", "the file is empty"),
        ("a.csv", "sentence1,sentence2,score\n", "a header and no rows"),
        ("a.csv", "a,b,3\nc,d,3\n", "without two different scores"),
        ("a.csv", "a,b,3\nc,d,nan\n", "not a finite number"),
    ],
)
def test_bad_sts_files(name: str, text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(text.encode())
    with pytest.raises(DataError, match=message):
        sts_from_file(tmp_path / name)


def test_an_undecodable_csv(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"a,\xff,1\n")
    with pytest.raises(DataError, match="not UTF-8"):
        sts_from_file(tmp_path / "a.csv")


def test_labelled_texts(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text('label,text\ngood,"fine, thanks"\nbad,awful\n')
    (tmp_path / "test.tsv").write_text("prima\tgood\nslecht\tbad\n")
    task = classification_from_files(tmp_path / "train.csv", tmp_path / "test.tsv", languages=("en", "nl"))
    assert (task.train_texts, task.train_labels) == (["fine, thanks", "awful"], ["good", "bad"])
    assert (task.test_texts, task.test_labels) == (["prima", "slecht"], ["good", "bad"])
    (tmp_path / "test.tsv").write_text("prima\tgood\n1\n")
    with pytest.raises(DataError, match=r"test\.tsv:2: 1 columns, expected 2"):
        classification_from_files(tmp_path / "train.csv", tmp_path / "test.tsv")
    (tmp_path / "test.tsv").write_text("a\tb\tc\n")
    with pytest.raises(DataError, match=r"test\.tsv:1: 3 columns; expected a header with text and label"):
        classification_from_files(tmp_path / "train.csv", tmp_path / "test.tsv")


def test_a_folder_as_beir_has_it(tmp_path: Path) -> None:
    (tmp_path / "qrels").mkdir()
    (tmp_path / "corpus.jsonl").write_text(
        '{"_id": "d1", "title": "Cats", "text": "They sleep."}\n{"_id": "d2", "text": "Dogs bark."}\n'
    )
    (tmp_path / "queries.jsonl").write_text('{"_id": "q1", "text": "wer?"}\n{"_id": "q2", "text": "not judged"}\n')
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\n")
    task = retrieval_from_folder(tmp_path, languages=("de", "en"))
    assert task.passages == {"d1": "Cats They sleep.", "d2": "Dogs bark."}
    assert (task.queries, task.qrels) == ({"q1": "wer?"}, {"q1": {"d1": 2, "d2": 0}})
    (tmp_path / "qrels" / "test.tsv").write_text("q1\td1\tyes\n")
    with pytest.raises(DataError, match=r"test\.tsv:1: expected query-id, corpus-id and score"):
        retrieval_from_folder(tmp_path)
    (tmp_path / "queries.jsonl").write_text('{"_id": 1, "text": "wer?"}\n')
    with pytest.raises(DataError, match=r'queries\.jsonl:1: expected an object with "_id" and "text", both strings'):
        retrieval_from_folder(tmp_path)
