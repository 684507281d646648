"""What is said of engines that cannot work: no cluster, no such share, a full disk."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bad_engine_input import BAD, write_place

from mling_embed.cli import main


@pytest.mark.parametrize(("around", "words", "code", "told"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_an_engine_that_cannot_work_says_why(
    around: Callable[[], Any],
    words: list[str],
    code: int,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if "no Ray cluster" in told and importlib.util.find_spec("ray") is None:
        pytest.skip('the extra "ray" is not installed')
    monkeypatch.setenv("MLING_EMBED_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    write_place(tmp_path)
    with around():
        assert main(words) == code
    said = capsys.readouterr().err
    assert told in said
    assert "Traceback" not in said
