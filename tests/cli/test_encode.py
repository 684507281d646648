"""The verb ``encode``."""

from __future__ import annotations

import gzip
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from mling_embed.cli import main
from mling_embed.encoders.static import StaticEncoder
from mling_embed.encoders.vocabulary import train_unigram

LINES = ["Wo ist der Bahnhof?", "où est la gare ?", "👩‍👩‍👧‍👦\u2028مرحبا"]


@pytest.fixture(scope="module")
def encoder() -> StaticEncoder:
    tokenizer = train_unigram([*LINES, "some more words of text"] * 5, size=600)
    table = np.random.default_rng(0).standard_normal((tokenizer.get_vocab_size(), 8), dtype=np.float32)
    return StaticEncoder(tokenizer, table)


@pytest.fixture(scope="module")
def model(encoder: StaticEncoder, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("student") / "model"
    encoder.save(folder, model_card="")
    return str(folder)


def feed(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_standard_input_to_json_lines(
    model: str, encoder: StaticEncoder, end: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    feed(monkeypatch, "".join(line + end for line in LINES).encode())
    assert main(["encode", model]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.split("\n") if line]
    assert [record["text"] for record in records] == LINES
    np.testing.assert_allclose([record["vector"] for record in records], encoder.encode(LINES), atol=1e-6)


def test_a_last_line_without_an_end_and_an_empty_one_count(
    model: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    feed(monkeypatch, b"a\n\nb")
    assert main(["encode", model, "-"]) == 0
    assert [json.loads(line)["text"] for line in capsys.readouterr().out.splitlines()] == ["a", "", "b"]


@pytest.mark.parametrize("name", ["lines.txt", "lines.txt.gz"])
def test_a_file_to_npy(
    model: str, encoder: StaticEncoder, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = "".join(f"{line}\n" for line in LINES).encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert main(["encode", model, str(tmp_path / name), "--out", str(tmp_path / "v.npy")]) == 0
    vectors = np.load(tmp_path / "v.npy", allow_pickle=False)
    assert (vectors.dtype, vectors.shape) == (np.float32, (3, 8))
    np.testing.assert_array_equal(vectors, encoder.encode(LINES))
    printed = capsys.readouterr()
    assert (printed.out, "3 vectors of 8 dimensions" in printed.err) == ("", True)


def test_a_transformer_encodes_too(
    tiny_teacher: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    feed(monkeypatch, b"the station\n")
    assert main(["encode", str(tiny_teacher)]) == 0
    vector = json.loads(capsys.readouterr().out)["vector"]
    assert (len(vector), np.linalg.norm(vector)) == (32, pytest.approx(1, abs=1e-4))


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"", "no sentences"), (b"\n\n", "no sentences"), (b"caf\xe9\n", "standard input: not UTF-8")],
)
def test_standard_input_without_sentences(
    model: str, data: bytes, message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    feed(monkeypatch, data)
    assert main(["encode", model]) == 3
    assert message in capsys.readouterr().err


def test_missing_files(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["encode", model, str(tmp_path / "no.txt")]) == 3
    assert "no.txt: no such file." in capsys.readouterr().err
    (tmp_path / "lines.txt").write_text("a\n")
    assert main(["encode", str(tmp_path / "no"), str(tmp_path / "lines.txt")]) == 3
    assert "no such model folder" in capsys.readouterr().err


def test_a_model_in_a_format_that_can_run_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pytorch_model.bin").touch()
    (tmp_path / "lines.txt").write_text("a\n")
    assert main(["encode", str(tmp_path), str(tmp_path / "lines.txt")]) == 2
    assert "holds only pytorch_model.bin, a format that can run code" in capsys.readouterr().err
