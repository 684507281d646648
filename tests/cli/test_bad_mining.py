"""Bad input to ``mine`` and ``score``: an error that says where and what to do, or a reject, counted and kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bad_mining_input import ERRORS, PAIR, REJECTED, of_side, write, write_good

from mling_embed.cli import main


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write two good sides and their vectors, and go there."""
    monkeypatch.setenv("MLING_EMBED_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    write_good()
    return tmp_path


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("name", ERRORS)
def test_errors_say_where_and_what_to_do(name: str, tiny_teacher: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files, words, code, told = ERRORS[name]
    write(files)
    assert main([str(tiny_teacher) if word == "TEACHER" else word for word in words]) == code
    captured = capsys.readouterr()
    assert told in captured.err
    assert captured.out == ""


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("name", REJECTED)
def test_lines_that_cannot_be_used_are_counted_and_kept(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    side, data, reasons = REJECTED[name]
    write({side: data})
    assert main(list(of_side(side, "--rejects", "rejects.jsonl"))) == 0
    told = capsys.readouterr().err
    records = [json.loads(line) for line in Path("rejects.jsonl").read_text(encoding="utf-8").splitlines()]
    for reason, count in reasons.items():
        assert f"{count} {reason}" in told
        assert [record["reason"] for record in records].count(reason) == count
    assert all(record["file"] == side and record["line"] >= 1 for record in records)


@pytest.mark.usefixtures("place")
def test_bad_lines_of_a_parallel_text_are_counted(tiny_teacher: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write({"p.tsv": PAIR + b"only english\ntwo\t\xff\xfe\n"})
    assert main(["score", "p.tsv:de", "--model", str(tiny_teacher)]) == 0
    captured = capsys.readouterr()
    assert [line.split("\t")[2] for line in captured.out.splitlines()[1:]] == ["", "malformed", "undecodable"]
    assert "3 rows, 1 stay; against the others: 1 malformed, 1 undecodable" in captured.err
    assert "too few pairs to tell" in captured.err
