"""Shards: runs of consecutive sentences with their unit vectors, named by what the vectors were computed from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray

from mling_embed.encoders.contract import Encoder, PromptRole
from mling_embed.engines.array_store import ArrayStore, key_of_parts
from mling_embed.engines.encoding import VECTORS, EncodeTexts, Model
from mling_embed.errors import DamagedFileError, DataError, UsageError
from mling_embed.mining.sentences import Sentences
from mling_embed.neighbors.vectors import unit_rows
from mling_embed.progress import Progress, silent

SHARD_ROWS = 1 << 15  # sides of a tile: some seconds of work, some megabytes of neighbors
PIECE_ROWS = 1 << 10  # sentences that are encoded in one call: what a killed run loses of its encoding
_FORMAT = "vectors 1"  # goes up when the same encoder and texts would give other vectors
_RAW_TYPES = {".f16": np.float16, ".fp16": np.float16, ".f32": np.float32, ".fp32": np.float32}


@dataclass(frozen=True, slots=True)
class Piece:
    """Name a run of rows whose vectors are kept together.

    Attributes:
        key: Their name in the store.
        start: The first row.
        stop: The row after the last.
    """

    key: str
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Shard:
    """Name a run of rows of one side.

    Attributes:
        name: The key of its vectors: equal names, equal bytes.
        start: Its first row.
        stop: The row after its last.
        pieces: The runs that it is made of.
    """

    name: str
    start: int
    stop: int
    pieces: tuple[Piece, ...] = ()

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class ShardedVectors:
    """Hold the unit vectors of a side, read when they are asked for.

    Attributes:
        shards: All rows, in order.
        dim: Width of a vector; 0 if there are no rows.
        read: Gives the vectors from one row to before another.
    """

    shards: tuple[Shard, ...]
    dim: int
    read: Callable[[int, int], Float32[ndarray, "n dim"]]

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.shards[-1].stop if self.shards else 0


def encode_shards(
    sentences: Sentences,
    encoder: Encoder,
    *,
    store: ArrayStore,
    role: PromptRole = PromptRole.QUERY,
    shard_rows: int = SHARD_ROWS,
    progress: Progress = silent,
) -> ShardedVectors:
    """Encode the sentences of a side that the store does not hold.

    A file begins a shard, and shards are encoded in pieces of 1,024 sentences: a piece with the same sentences is
    encoded in the same batch wherever it stands, so that its vectors are the same to the last bit.

    Args:
        sentences: The side.
        encoder: Encodes them.
        store: Holds pieces.
        role: Whose prompt is put before the sentences: on both sides the same, as translations are symmetric.
        shard_rows: The most rows of a shard.
        progress: Told of sentences encoded.

    Raises:
        DataError: A vector is not finite.
    """
    shards = named_shards(sentences, encoder, role=role, shard_rows=shard_rows)
    pieces = [piece for shard in shards for piece in shard.pieces]

    def encode(piece: Piece) -> Float32[ndarray, "n dim"]:
        texts = sentences.texts(slice(piece.start, piece.stop))
        vectors = _checked(encoder.encode(texts, role=role), piece.start)
        store.put(piece.key, {VECTORS: vectors})
        return vectors

    for piece in pieces:
        if piece.key not in store:
            progress(f"encoding {sentences.language}", piece.start, len(sentences))
            encode(piece)
    progress(f"encoding {sentences.language}", len(sentences), len(sentences))
    return stored_vectors(shards, store, missing=encode)


def named_shards(
    sentences: Sentences, encoder: Encoder, *, role: PromptRole = PromptRole.QUERY, shard_rows: int = SHARD_ROWS
) -> tuple[Shard, ...]:
    """Return the shards of a side with the names that their vectors have, encoded or not."""
    shards = []
    for start, stop in _runs(sentences, shard_rows):
        pieces = []
        for first in range(start, stop, PIECE_ROWS):
            last = min(first + PIECE_ROWS, stop)
            texts = sentences.texts(slice(first, last))
            key = key_of_parts(_FORMAT, encoder.fingerprint, encoder.precision, role, *texts)
            pieces.append(Piece(key, first, last))
        shards.append(Shard(key_of_parts(*(piece.key for piece in pieces)), start, stop, tuple(pieces)))
    return tuple(shards)


def encoding_tasks(
    sentences: Sentences,
    encoder: Encoder,
    model: Model,
    *,
    store: Path,
    role: PromptRole = PromptRole.QUERY,
    shard_rows: int = SHARD_ROWS,
) -> list[EncodeTexts]:
    """Return the pieces of a side as tasks, whose vectors are those of `encode_shards`.

    Raises:
        UsageError: The sentences are in memory alone.
    """
    path = sentences.path
    if path is None:
        raise UsageError("sentences in memory cannot be shared out.", next_step="Give a work folder.")
    shards = named_shards(sentences, encoder, role=role, shard_rows=shard_rows)
    return [
        EncodeTexts(model, role, path, piece.start, piece.stop, store, piece.key, is_unit=True)
        for shard in shards
        for piece in shard.pieces
    ]


def stored_vectors(
    shards: Sequence[Shard], store: ArrayStore, *, missing: Callable[[Piece], Float32[ndarray, "n dim"]] | None = None
) -> ShardedVectors:
    """Return vectors that are in a store.

    Args:
        shards: Some shards, whose rows rise.
        store: Holds their pieces.
        missing: Makes a piece that is not there any more; without it there is an error.

    Raises:
        DamagedFileError: On reading: a piece is not there, and nothing makes it.
    """
    pieces = [piece for shard in shards for piece in shard.pieces]
    starts = np.array([piece.start for piece in pieces], dtype=np.int64)

    def read(start: int, stop: int) -> Float32[ndarray, "n dim"]:
        first, last = np.searchsorted(starts, [start, stop - 1], side="right") - 1
        rows = []
        for piece in pieces[first : last + 1]:
            found = store.get(piece.key)
            if found is not None:
                rows.append(found[VECTORS])
            elif missing is not None:
                rows.append(missing(piece))
            else:
                raise DamagedFileError(
                    f"the vectors of the sentences from {piece.start} on are not in the folder.",
                    where=piece.key,
                    next_step="Run again: they are encoded anew.",
                )
        low = start - pieces[first].start
        return np.concatenate(rows)[low : low + stop - start]

    dim = read(pieces[0].start, pieces[0].start + 1).shape[1] if pieces else 0
    return ShardedVectors(tuple(shards), dim, read)


def shards_of_vectors(
    sentences: Sentences,
    vectors: Float[ndarray, "n_read dim"],
    *,
    where: str = "vectors",
    shard_rows: int = SHARD_ROWS,
    store: ArrayStore | None = None,
) -> ShardedVectors:
    """Take vectors that came with a side: one for each row of its source, rejected and repeated ones too.

    Args:
        sentences: The side.
        vectors: The vectors. Shape: (n_read, dim).
        where: What to call them.
        shard_rows: The most rows of a shard.
        store: Where they are put, for others to read.

    Raises:
        DataError: There are not as many vectors as rows, or one is not finite.
    """
    if vectors.ndim != 2 or len(vectors) != sentences.counts.read:
        raise DataError(
            f"{vectors.shape[0] if vectors.ndim else 0:,} vectors (shape {vectors.shape}) for "
            f"{sentences.counts.read:,} sentences: expected one for each line, empty ones too.",
            where=where,
            next_step="Encode exactly these lines: mling-embed encode MODEL FILE --out VECTORS.npy.",
        )

    def read(start: int, stop: int) -> Float32[ndarray, "n dim"]:
        positions = sentences.positions[start:stop]
        return _checked(np.asarray(vectors[positions], dtype=np.float32), start, positions, where)

    shards = []
    for start, stop in _runs(sentences, shard_rows):
        pieces = []
        for first in range(start, stop, PIECE_ROWS):
            last = min(first + PIECE_ROWS, stop)
            rows = read(first, last)
            pieces.append(Piece(key_of_parts("given 1", rows.tobytes(), str(vectors.shape[1])), first, last))
            if store is not None and pieces[-1].key not in store:
                store.put(pieces[-1].key, {VECTORS: rows})
        shards.append(Shard(key_of_parts(*(piece.key for piece in pieces)), start, stop, tuple(pieces)))
    return ShardedVectors(tuple(shards), int(vectors.shape[1]), read)


def open_vectors(path: str | Path, *, dim: int | None = None) -> Float[ndarray, "n dim"]:
    """Open a file of vectors without reading it: ``.npy``, or raw ``.f16`` or ``.f32`` rows of a declared width.

    Raises:
        UsageError: The suffix is another one, or a raw file comes without its width.
        DataError: There is no such file, its size does not divide, or it holds no floating-point matrix.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError("no such file.", where=path, next_step="Give a file of vectors, a row for each sentence.")
    if path.suffix == ".npy":
        try:
            vectors = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, OSError, EOFError) as error:
            what = f"not a .npy file of numbers, or cut short ({error})."
            raise DataError(what, where=path, next_step="Encode the text again.") from None
        if vectors.ndim != 2 or vectors.dtype.kind != "f" or (dim is not None and vectors.shape[1] != dim):
            wanted = f"(n, {'dim' if dim is None else dim})"
            what = f"holds {vectors.dtype} of shape {vectors.shape}; expected floats of shape {wanted}."
            raise DataError(what, where=path, next_step="Write a row for each line of the text.")
        return np.asanyarray(vectors)
    if path.suffix not in _RAW_TYPES:
        raise UsageError(
            f"vectors do not go by the suffix '{path.suffix}'.",
            where=path,
            next_step="Give .npy, or raw rows as .f16 or .f32 with their width.",
        )
    if dim is None or dim < 1:
        raise UsageError("raw vectors need their width.", where=path, next_step="Give it, as in --dim 384.")
    kind = np.dtype(_RAW_TYPES[path.suffix])
    size = path.stat().st_size
    if size == 0 or size % (dim * kind.itemsize):
        raise DataError(
            f"{size:,} bytes are no whole number of rows of {dim} x {kind.itemsize} bytes.",
            where=path,
            next_step="Check the width and the number format.",
        )
    return np.memmap(path, dtype=kind, mode="r", shape=(size // (dim * kind.itemsize), dim))


def _runs(sentences: Sentences, shard_rows: int) -> Iterator[tuple[int, int]]:
    """Yield the rows of each shard: a file begins one, and none is longer than `shard_rows`."""
    bounds = [*sentences.file_starts, len(sentences)]
    for low, high in pairwise(bounds):
        for start in range(low, high, shard_rows):
            yield start, min(start + shard_rows, high)


def _checked(
    vectors: Float[ndarray, "n dim"], first: int, positions: ndarray | None = None, where: str = "encoder"
) -> Float32[ndarray, "n dim"]:
    """Return the vectors at unit length, having seen that all are finite."""
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        row = int(np.flatnonzero(~finite)[0])
        place = first + row if positions is None else int(positions[row])
        raise DataError(f"vector {place} is not finite.", where=where, next_step="Look at the encoder that made it.")
    return unit_rows(vectors)
