"""The verb ``summarize``."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from mling_embed.cli import main

TEXT = "The station is old. The old station is near the old market. Bread is cheap! Where is the station?\n"


@pytest.fixture
def text(tmp_path: Path) -> Path:
    (tmp_path / "town.txt").write_text(TEXT)
    return tmp_path / "town.txt"


def test_a_text(tiny_teacher: Path, text: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summarize", str(text), "--model", str(tiny_teacher), "--sentences", "2", "--language", "en"]) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert len(lines) == 2
    places = [TEXT.index(line) for line in lines]
    assert places == sorted(places)
    assert f"{text}: 2 of 4 sentences" in printed.err


def test_json_and_several_files(tiny_teacher: Path, text: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = text.with_name("lines.txt")
    other.write_text("one. two\nthree\n\nfour\n")
    words = ["summarize", str(text), str(other), "--model", str(tiny_teacher), "--share", "0.25", "--lines", "--json"]
    assert main(words) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["file"], first["text"], first["place"], first["rank"]) == (str(text), TEXT.strip(), 0, 1)
    assert second["text"] in ("one. two", "three", "four")


def test_standard_input(
    tiny_teacher: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(TEXT.encode()), isatty=lambda: False))
    assert main(["summarize", "-", "--model", str(tiny_teacher), "-n", "9"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "The station is old.",
        "The old station is near the old market.",
        "Bread is cheap!",
        "Where is the station?",
    ]


@pytest.mark.parametrize(
    ("content", "words", "code", "message"),
    [
        (b"  \n", [], 3, "the text holds no sentence. Give a file that holds a text."),
        (b"caf\xe9\n", [], 3, "town.txt:1"),
        (b"a", ["--share", "0.1", "-n", "2"], 2, "--sentences and --share are both given."),
        (b"a", ["-n", "0"], 2, "0 sentences with a redundancy of 0.3"),
        (b"a", ["--language", "klingon"], 2, "'klingon' is not a language code."),
    ],
)
def test_errors(
    tiny_teacher: Path,
    text: Path,
    content: bytes,
    words: list[str],
    code: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text.write_bytes(content)
    assert main(["summarize", str(text), "--model", str(tiny_teacher), *words]) == code
    assert message in capsys.readouterr().err
