"""The verb ``export``: what each of its verbs writes, and says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import mling_embed as me
from mling_embed.cli import main

TEXTS = ["Where is the station?", "It's here.", "the station is where the the bell is ringing"]


@pytest.fixture
def sentences(tmp_path: Path) -> str:
    """A file of sentences to compare on."""
    path = tmp_path / "sentences.txt"
    path.write_text("".join(f"{text}\n" for text in TEXTS * 10), encoding="utf-8")
    return str(path)


def test_onnx(tiny_teacher: Path, sentences: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    out = tmp_path / "exported"
    assert main(["export", "onnx", str(tiny_teacher), str(out), "--check", sentences, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["out"], printed["runtime"], printed["precision"]) == (str(out), "onnx", "fp32")
    assert printed["mean_cosine"] == pytest.approx(1, abs=1e-5)
    exported, source = me.load(out), me.load(tiny_teacher)
    np.testing.assert_allclose(exported.encode(TEXTS), source.encode(TEXTS), atol=1e-5)


def test_static_and_router(tiny_teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    student, out = tmp_path / "student", tmp_path / "router"
    text = tmp_path / "words.txt"
    text.write_text("".join(f"the station {number}\n" for number in range(200)), encoding="utf-8")
    options = ["--text", f"{text}:en", "--vocabulary", "1024", "--epochs", "1"]
    assert main(["export", "static", str(tiny_teacher), str(student), *options]) == 0
    assert f"32 dimensions: {student}" in capsys.readouterr().err
    assert me.load(student).encode(TEXTS).shape == (3, 32)
    assert main(["export", "router", str(tiny_teacher), str(student), str(out)]) == 3
    assert "they share no space" in capsys.readouterr().err
    assert main(["export", "router", str(tiny_teacher), str(tiny_teacher), str(out)]) == 0
    for role in me.PromptRole:
        vectors = me.load(out).encode(TEXTS, role=role)
        np.testing.assert_allclose(vectors, me.load(tiny_teacher).encode(TEXTS), atol=1e-5)


def test_mistakes(tiny_teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "out")
    assert main(["export", "onnx", str(tiny_teacher), out, "--check", str(tmp_path / "none.txt")]) != 0
    assert "none.txt: no such file" in capsys.readouterr().err
    assert main(["export", "onnx", str(tmp_path / "none"), out]) != 0
    assert "none: no such model folder" in capsys.readouterr().err
    assert main(["export", "static", str(tiny_teacher), out, "--text", "words.txt"]) != 0
    assert "words.txt" in capsys.readouterr().err
    assert not Path(out).exists()
