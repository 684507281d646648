"""The verb ``align``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bad_align_input import ALIGN, BAD, ENGLISH, GERMAN, write_documents

from mling_embed.cli import main


@pytest.fixture
def documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLING_EMBED_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    write_documents()
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


@pytest.mark.parametrize(("words", "code", "message"), BAD, ids=[" ".join(words[1:]) for words, *_ in BAD])
def test_bad_usage(
    documents: Path, tiny_teacher: Path, words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tiny_teacher) if word == "TEACHER" else word for word in words]) == code
    assert message in capsys.readouterr().err
