"""The verb ``align``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mling_embed.cli import main

GERMAN = ["Das Haus ist rot.", "Es hat ein Dach.", "", "Der Garten ist groß."]
ENGLISH = ["The house is red and has a roof.", "The garden is large.", "An aside that says something else."]
ALIGN = ["align", "x.de", "x.en", "--vectors", "de.npy", "--vectors", "en.npy"]


@pytest.fixture
def documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write two documents with their vectors, and folders with them, and go there."""
    monkeypatch.setenv("MLING_EMBED_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    ways = np.eye(6, dtype=np.float32)
    np.save("de.npy", ways[[0, 1, 5, 2]])
    np.save("en.npy", np.stack([ways[0] + ways[1], ways[2], ways[4]]))
    for language, texts in (("de", GERMAN), ("en", ENGLISH)):
        text = "\n".join(texts) + "\n"
        Path(f"x.{language}").write_text(text, encoding="utf-8")
        Path(language).mkdir()
        Path(language, f"1.{language}").write_text(text, encoding="utf-8")
    Path("x.gold").write_text("[0, 1]:[0]\n[3]:[1]\n[]:[2]\n")
    Path("empty").mkdir()
    return tmp_path


def test_tsv_to_stdout_and_talk_to_stderr(documents: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ALIGN, "--ids", "--gold", "x.gold", "--rejects", "left.jsonl"]) == 0
    printed = capsys.readouterr()
    assert [line.split("\t")[1:] for line in printed.out.splitlines()] == [
        ["de", "en", "de_ids", "en_ids"],
        ["Das Haus ist rot. Es hat ein Dach.", ENGLISH[0], "1 2", "1"],
        [GERMAN[3], ENGLISH[1], "4", "2"],
    ]
    assert "x.de (de): 3 sentences, 1 empty; x.en (en): 3 sentences; 2 pairs with 83.3% of the sentences" in printed.err
    assert "strict: precision 1.0000, recall 1.0000, F1 1.0000" in printed.err
    assert json.loads(Path("left.jsonl").read_text())["reason"] == "empty"


def test_ladder_json_and_files(documents: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ALIGN, "--format", "ladder"]) == 0
    ladder = capsys.readouterr().out
    assert [line.rpartition(":")[0] for line in ladder.splitlines()] == ["[0, 1]:[0]", "[3]:[1]", "[]:[2]"]
    assert main([*ALIGN, "--out", "a.ladder", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"] == ["a.ladder"]
    assert Path("a.ladder").read_text() == ladder
    assert main([*ALIGN, "--json"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["de_ids"] for record in records] == [["1", "2"], ["4"]]


def test_folders(documents: Path, tiny_teacher: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("de/2.de").write_text("the station\n")
    Path("de/bad.csv").write_text("x\n")
    words = ["align", "de", "en", "--model", str(tiny_teacher), "--rejects", "left.jsonl"]
    assert main([*words, "--out", "out", "--format", "tmx"]) == 0
    assert Path("out/1.tmx").is_file()
    told = capsys.readouterr().err
    assert "de: 1 of 2 documents without a partner: 2" in told
    assert "de: bad.csv was left out: " in told
    reasons = [json.loads(line)["reason"] for line in Path("left.jsonl").read_text().splitlines()]
    assert reasons == ["empty", "unreadable", "no-partner"]
    assert main([*words, "--pair-documents", "--min-share", "0", "--out", "all.tsv", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sides"][0]["name"] == "1.de"


CASES = [
    (["align", "x.de", "x.en"], 2, "neither a model nor vectors"),
    (["align", "x.de", "x.en", "--vectors", "de.npy"], 2, "--vectors is given 1 time(s), for 2 documents"),
    ([*ALIGN, "--model", "m"], 2, "a model and vectors: give one of them"),
    (["align", "no.de", "x.en", "--vectors", "de.npy", "--vectors", "en.npy"], 3, "no.de: no such file"),
    (["align", "x.de", "x.en", "--vectors", "no.npy", "--vectors", "en.npy"], 3, "no.npy: no such file"),
    (["align", "x.de", "x.en", "--vectors", "en.npy", "--vectors", "en.npy"], 3, "3 vectors for 4 sentences"),
    ([*ALIGN, "--out", "a.xlsx"], 2, "alignments are not written as '.xlsx'"),
    ([*ALIGN, "--out", "de"], 2, "de: is a folder, expected a file for two documents. Give de/aligned.tsv."),
    ([*ALIGN, "--out", "a.tsv", "--format", "tmx"], 2, "--out is tsv, and --format tmx"),
    ([*ALIGN, "--format", "tmx"], 2, "tmx is not printed. Give --out pairs.tmx."),
    ([*ALIGN, "--format", "xml"], 2, "'xml' is no alignedformat"),
    ([*ALIGN, "--spans", "all"], 2, "'all' is no spans. Choose one of encoded, averaged."),
    ([*ALIGN, "--split", "words"], 2, "'words' is no split. Choose one of lines, sentences."),
    ([*ALIGN, "--max-link", "1"], 2, "links of 1 sentences, expected 2 to 16"),
    ([*ALIGN, "--skip", "2"], 2, "a skip cost of 2.0"),
    ([*ALIGN, "--gold", "no.gold"], 3, "no.gold: no such file"),
    ([*ALIGN, "--gold", "x.de"], 3, "x.de:1: 'Das Haus ist rot.' is no link"),
    (["align", "x.xy:qqq", "x.en", "--vectors", "de.npy", "--vectors", "en.npy"], 2, "'qqq' is not a language code"),
    (["align", "de", "x.en", "--model", "TEACHER"], 3, "x.en: is a file, and the other side a folder"),
    (["align", "de", "empty", "--model", "TEACHER"], 3, "empty: no document in this folder"),
    (["align", "de", "none", "--model", "TEACHER"], 3, "none: no such folder"),
    (["align", "de", "en", "--gold", "x.gold", "--model", "TEACHER"], 2, "--vectors and --gold are for two documents"),
    (["align", "de", "en", "--out", "a.tsv", "--model", "no/such/model"], 3, "no/such/model: no such model folder"),
    (["align", "x.de", "x.en", "--pair-documents", "--model", "TEACHER"], 3, "x.de: is a file, and the other side"),
]


@pytest.mark.parametrize(("words", "code", "message"), CASES, ids=[" ".join(words[1:]) for words, *_ in CASES])
def test_bad_usage(
    documents: Path, tiny_teacher: Path, words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tiny_teacher) if word == "TEACHER" else word for word in words]) == code
    assert message in capsys.readouterr().err
