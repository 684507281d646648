"""Shards: named by content, encoded in the same batches wherever they stand, read row by row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mling_embed.encoders.foreign import ForeignEncoder
from mling_embed.engines.array_store import ArrayStore
from mling_embed.errors import DataError, MlingEmbedError, UsageError
from mling_embed.mining import shards
from mling_embed.mining.sentences import collect_sentences
from mling_embed.mining.shards import encode_shards, open_vectors, shards_of_vectors
from mling_embed.mining.sources import sentence_source
from mling_embed.neighbors.vectors import unit_rows


class Counting(ForeignEncoder):
    """Encode texts by their numbers, and remember every call."""

    dim = 3
    fingerprint = "counting"

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def encode(self, texts: list[str], **_: object) -> np.ndarray:
        self.calls.append(list(texts))
        return np.array([[float(text), 1, 0] for text in texts], dtype=np.float32)


def numbers(*values: int) -> list[str]:
    return [str(value) for value in values]


def test_pieces_are_encoded_once_and_in_the_same_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "PIECE_ROWS", 2)
    store, encoder = ArrayStore(tmp_path), Counting()
    side = collect_sentences(sentence_source(numbers(*range(7))))
    first = encode_shards(side, encoder, store=store, shard_rows=4)
    assert encoder.calls == [numbers(0, 1), numbers(2, 3), numbers(4, 5), numbers(6)]
    assert [(shard.start, shard.stop) for shard in first.shards] == [(0, 4), (4, 7)]
    longer = collect_sentences(sentence_source(numbers(*range(9))))
    encoder.calls.clear()
    second = encode_shards(longer, encoder, store=store, shard_rows=4)
    assert encoder.calls == [numbers(6, 7), numbers(8)]
    assert second.shards[0].name == first.shards[0].name
    assert second.shards[1].name != first.shards[1].name
    expected = unit_rows(np.array([[value, 1, 0] for value in range(9)], dtype=np.float32))
    for start, stop in ((0, 9), (3, 4), (1, 7), (8, 9)):
        np.testing.assert_array_equal(second.read(start, stop), expected[start:stop])


def test_a_harmed_piece_is_encoded_again(tmp_path: Path) -> None:
    store, encoder = ArrayStore(tmp_path), Counting()
    made = encode_shards(collect_sentences(sentence_source(numbers(1, 2))), encoder, store=store)
    before = made.read(0, 2)
    (path,) = tmp_path.rglob("*.safetensors")
    path.write_bytes(path.read_bytes()[:-1])
    np.testing.assert_array_equal(made.read(0, 2), before)
    assert len(encoder.calls) == 2


def test_a_file_begins_a_shard(tmp_path: Path) -> None:
    for name, values in (("a.txt", (1, 2, 3)), ("b.txt", (3, 4))):
        (tmp_path / name).write_text("\n".join(numbers(*values)))
    made = encode_shards(collect_sentences(sentence_source(tmp_path)), Counting(), store=ArrayStore(None))
    assert [(shard.start, shard.stop) for shard in made.shards] == [(0, 3), (3, 4)]
    assert made.dim == 3


def test_vectors_come_for_each_line_and_repeated_ones_are_passed_over() -> None:
    side = collect_sentences(sentence_source(["a", "", "b", "a", "c"]))
    vectors = np.diag([3.0, 1, 4, 1, 5]).astype(np.float16)
    made = shards_of_vectors(side, vectors, shard_rows=2)
    np.testing.assert_array_equal(made.read(0, 3), np.eye(5, dtype=np.float32)[[0, 2, 4]])
    assert made.shards[0].name == shards_of_vectors(side, vectors.astype(np.float32), shard_rows=2).shards[0].name


@pytest.mark.parametrize("kind", ["npy", "f16", "f32"])
def test_files_of_vectors(tmp_path: Path, kind: str) -> None:
    vectors = np.arange(12, dtype=np.float16 if kind == "f16" else np.float32).reshape(4, 3)
    path = tmp_path / f"v.{kind}"
    if kind == "npy":
        np.save(path, vectors)
    else:
        vectors.tofile(path)
    np.testing.assert_array_equal(open_vectors(path, dim=3), vectors)


@pytest.mark.parametrize(
    ("name", "data", "dim", "error", "match"),
    [
        ("v.f32", b"x" * 25, 3, DataError, "25 bytes are no whole number of rows of 3 x 4 bytes"),
        ("v.f16", b"", 3, DataError, "0 bytes are no whole number of rows of 3 x 2 bytes"),
        ("v.f16", b"x" * 12, None, UsageError, "raw vectors need their width.*--dim 384"),
        ("v.f16", b"x" * 12, 0, UsageError, "raw vectors need their width"),
        ("v.bin", b"x" * 12, 3, UsageError, "vectors do not go by the suffix '.bin'"),
        ("v.npy", b"\x93NUMPY", None, DataError, "not a .npy file of numbers, or cut short"),
        ("v.npy", b"", None, DataError, "not a .npy file of numbers, or cut short"),
        (None, b"", None, DataError, "no such file"),
    ],
)
def test_bad_files_of_vectors(
    tmp_path: Path, name: str | None, data: bytes, dim: int | None, error: type[MlingEmbedError], match: str
) -> None:
    if name is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(error, match=match):
        open_vectors(tmp_path / (name or "no.npy"), dim=dim)


@pytest.mark.parametrize("array", [np.arange(6).reshape(2, 3), np.ones(3), np.ones((2, 3, 4))])
def test_npy_of_another_kind(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "v.npy", array)
    with pytest.raises(DataError, match="expected floats of shape"):
        open_vectors(tmp_path / "v.npy")


def test_npy_of_objects_is_never_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.array([[None]]), allow_pickle=True)
    with pytest.raises(DataError, match=r"not a \.npy file of numbers"):
        open_vectors(tmp_path / "v.npy")


def test_vectors_that_do_not_match() -> None:
    side = collect_sentences(sentence_source(["a", "b"]))
    with pytest.raises(DataError, match=r"3 vectors \(shape \(3, 2\)\) for 2 sentences: expected one for each line"):
        shards_of_vectors(side, np.ones((3, 2)))
    with pytest.raises(DataError, match=r"v\.npy: vector 1 is not finite"):
        shards_of_vectors(side, np.array([[1.0], [np.inf]]), where="v.npy")
