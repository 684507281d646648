"""Folders of documents: paired by name and by what they hold, aligned and written once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mling_embed.encoders.loading import load
from mling_embed.errors import DataError, UsageError
from mling_embed.mining.alignment.align import AlignOptions
from mling_embed.mining.alignment.document_pairing import pair_documents
from mling_embed.mining.alignment.documents import Document, read_document
from mling_embed.mining.alignment.folders import match_by_name, read_folder, write_folder

WORDS = [f"{a}{b}" for a in ("ba", "ko", "mi", "tu", "re", "sal") for b in ("ran", "del", "fis", "gom", "lup", "nex")]
OPTIONS = AlignOptions(most=3)


def document(seed: int, n: int = 8) -> list[str]:
    drawn = np.random.default_rng(seed)
    return [" ".join(WORDS[place] for place in drawn.integers(0, len(WORDS), 7)) for _ in range(n)]


def moved(texts: list[str]) -> list[str]:
    """Return a translation: other words' order, and two sentences in one."""
    turned = [" ".join(reversed(text.split())) for text in texts]
    return [f"{turned[0]} {turned[1]}", *turned[2:]]


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for number in range(3):
        for language, texts in (("de", document(number)), ("fr", moved(document(number)))):
            path = tmp_path / language / f"{number}.{language}.txt"
            path.parent.mkdir(exist_ok=True)
            path.write_text("\n".join(texts), encoding="utf-8")
    (tmp_path / "de" / "left.txt").write_text("alone\n")
    (tmp_path / "de" / "empty.txt").write_text("\n")
    (tmp_path / "de" / ".hidden").write_text("x\n")
    return tmp_path / "de", tmp_path / "fr"


def test_documents_of_one_name_are_aligned_once(folders: tuple[Path, Path], student: str, tmp_path: Path) -> None:
    ours, theirs = (read_folder(f"{folder}:{folder.name}", OPTIONS) for folder in folders)
    assert "empty.txt: holds no sentence" in ours.refused["empty.txt"]
    matched = match_by_name(ours, theirs)
    assert matched.pairs == (("0", "0", None), ("1", "1", None), ("2", "2", None))
    assert matched.unpaired == (("left",), ())
    settings: dict[str, Any] = {"encoder": load(student), "options": OPTIONS, "out": tmp_path / "out"}
    written = write_folder(ours, theirs, matched, **settings)
    assert [each.files for each in written] == [("0.tsv",), ("1.tsv",), ("2.tsv",)]
    rows = (tmp_path / "out" / "0.tsv").read_text(encoding="utf-8").splitlines()
    assert rows[0] == "score\tde\tfr"
    assert rows[1].split("\t")[1] == " ".join(document(0)[:2])
    assert len(rows) == 8
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.tsv")}
    (tmp_path / "out" / "1.tsv").unlink()
    assert write_folder(ours, theirs, matched, **settings) == written
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.tsv")}
    assert {name for name in before if before[name] == after[name]} == {"0.tsv", "2.tsv"}
    assert len(json.loads((tmp_path / "out" / "aligned.json").read_text())) == 3


def test_documents_are_paired_by_what_they_hold(student: str) -> None:
    sources = [read_document(document(seed)) for seed in range(10)]
    targets = [read_document(moved(document(seed))) for seed in (7, 3, 100, 5, 1, 8, 101, 2)]
    pairs = pair_documents(sources, targets, load(student))
    assert [(pair.source, pair.target) for pair in pairs] == [(1, 4), (2, 7), (3, 1), (5, 3), (7, 0), (8, 5)]
    assert [round(pair.share, 6) for pair in pairs] == [1] * 6


def test_no_documents_and_bad_shares(student: str) -> None:
    alone: list[Document] = [read_document(["x"])]
    assert pair_documents([], alone, load(student)) == []
    with pytest.raises(UsageError, match=r"a share of 1.5"):
        pair_documents(alone, alone, load(student), min_share=1.5)


def test_folders_that_do_not_go_together(folders: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x.txt").write_text("x\n")
    with pytest.raises(
        DataError, match=r"no document has the name of one in .*other: 0, 1, 2, ...; there x.*--pair-doc"
    ):
        match_by_name(read_folder(folders[0], OPTIONS), read_folder(tmp_path / "other", OPTIONS))
    (tmp_path / "other" / "x.md").write_text("x\n")
    with pytest.raises(DataError, match=r"x.md and x.txt are both called x"):
        read_folder(tmp_path / "other", OPTIONS)
