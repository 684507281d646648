"""Rows, JSON lines and progress bars."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from mling_embed.cli import console


def test_rows_are_tsv_and_cells_cannot_break_them(capsys: pytest.CaptureFixture[str]) -> None:
    console.write_rows([("de", 88.0, None), ("a\tb\r\nc", 1, "मनुष्य\u2028x")], header=["language", "score", "note"])
    assert capsys.readouterr().out == "language\tscore\tnote\nde\t88.0\t\na b  c\t1\tमनुष्य\u2028x\n"


def test_json_lines_take_paths_sets_and_numpy(capsys: pytest.CaptureFixture[str]) -> None:
    console.write_json_line({"at": Path("a/b"), "of": {2, 1}, "v": np.float32(0.5), "w": np.arange(2), "t": "ü\n"})
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert "ü" in out
    assert json.loads(out) == {"at": "a/b", "of": [1, 2], "v": 0.5, "w": [0, 1], "t": "ü\n"}


def test_what_has_no_json_form_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="a object has no JSON form"):
        console.write_json_line(object())


def test_talk_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    console.say("hello")
    assert capsys.readouterr() == ("", "hello\n")


def test_a_line_for_each_step_off_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([10.0, 11.0, 11.5, 20.0, 30.0, 33.0, 50.0, 51.0])
    monkeypatch.setattr(console.time, "perf_counter", lambda: next(clock))
    with console.progress() as progress:
        progress("labels", 0, 2_000)
        progress("labels", 1_000, 2_000)
        assert capsys.readouterr() == ("", "")
        progress("labels", 2_000, 2_000)
        progress("labels", 1, 1)  # the same work again
        assert capsys.readouterr() == ("", "labels: 2,000 in 1.5 s\nlabels: 1 in 0.0 s\n")
        progress("reading a", 3, None)
        progress("reading a", 7, None)
        progress("adding", 1, 1)  # what comes after is not a part of it
    assert capsys.readouterr() == ("", "adding: 1 in 0.0 s\nreading a: 7 in 3.0 s\n")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_bars_on_a_terminal_leave_stdout_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with console.progress() as progress:
        progress("reading [x]", 1, 4)
        progress("counting", 3, None)
        console.write_rows([("a", 1)])
        progress("reading [x]", 4, 4)
        progress("reading [x]", 2, 5)
    assert capsys.readouterr().out == "a\t1\n"
    shown = terminal.getvalue()
    assert "reading [x]" in shown
    assert "2/5" in shown
    assert "3/?" in shown
