"""The verb ``encode``."""

from __future__ import annotations

import gzip
import io
import json
import os
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from mling_embed.cli import main
from mling_embed.encoders.static import StaticEncoder
from mling_embed.tokenizers.vocabulary import train_unigram

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
    [(b"", "no sentences"), (b"\n\n", "no sentences"), (b"caf\xe9\n", "standard input:1: not UTF-8")],
)
def test_standard_input_without_sentences(
    model: str, data: bytes, message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    feed(monkeypatch, data)
    assert main(["encode", model]) == 3
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("named", [True, False])
def test_text_that_is_not_utf8_gets_advice_that_works(
    named: bool, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a file.txt"
    path.write_bytes(b"good\ncaf\xe9\n")
    feed(monkeypatch, path.read_bytes())
    assert main(["encode", model, str(path) if named else "-"]) == 3
    told = capsys.readouterr().err
    where, name = (str(path), f"'{path}'") if named else ("standard input", "FILE")
    assert f"{where}:2: not UTF-8 (byte 0xe9 at column 4)." in told
    assert f"iconv -f WINDOWS-1252 -t UTF-8 {name} > NEW" in told
    assert "quarantine" not in told


def test_a_folder_is_no_text(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["encode", model, str(tmp_path)]) == 3
    assert f"{tmp_path}: is a folder, expected a file. Name a file that is in it." in capsys.readouterr().err


@pytest.mark.parametrize("named", [True, False])
def test_row_n_is_line_n(
    named: bool, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfa\n\nb\n")
    feed(monkeypatch, (tmp_path / "a.txt").read_bytes())
    assert main(["encode", model, str(tmp_path / "a.txt") if named else "-"]) == 0
    assert [json.loads(line)["text"] for line in capsys.readouterr().out.splitlines()] == ["a", "", "b"]


def test_a_pipe_is_read(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(b"a\n",))
    writer.start()
    assert main(["encode", model, str(tmp_path / "pipe")]) == 0
    writer.join()
    assert json.loads(capsys.readouterr().out)["text"] == "a"


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
