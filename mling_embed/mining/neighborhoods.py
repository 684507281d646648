"""Neighborhoods: the nearest sentences of both sides, exactly by tiles, or approximately where pairs are too many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from mling_embed.mining.memory import block_rows_within
from mling_embed.mining.shards import PIECE_ROWS, ShardedVectors
from mling_embed.mining.sides import MiningOptions
from mling_embed.mining.tiles import (
    Tile,
    neighbors_both_ways,
    neighbors_within,
    tiles_both_ways,
    tiles_within,
    without_self,
)
from mling_embed.neighbors.approximate import Approximation, approximate_both, approximate_within
from mling_embed.neighbors.order import Neighbors
from mling_embed.progress import Progress


@dataclass(frozen=True, slots=True)
class Neighborhoods:
    """Hold the neighbors of each row, and how they were found.

    Attributes:
        forward: The sources' neighbors among the targets; of one set, each row's among the others.
        backward: The targets' neighbors among the sources; of one set, the same as `forward`.
        approximation: How much may be missing; `None` where the search was exact.
    """

    forward: Neighbors
    backward: Neighbors
    approximation: Approximation | None = None


def neighborhoods(
    source: ShardedVectors, target: ShardedVectors, k: int, *, options: MiningOptions, progress: Progress
) -> Neighborhoods:
    """Find the `k` nearest targets of each source and the `k` nearest sources of each target.

    Raises:
        UsageError: Memory does not suffice.
    """
    block_rows = _block_rows(source, target, k, options)
    if not options.is_approximate(len(source) * len(target)):
        store = options.store("tiles")
        both = neighbors_both_ways(source, target, k, store=store, block_rows=block_rows, progress=progress)
        return Neighborhoods(*both)
    with _whole(source, options) as ours, _whole(target, options) as theirs:
        return Neighborhoods(*approximate_both(ours, theirs, k, progress=progress))


def share_out(
    pairs: Iterable[tuple[ShardedVectors, ShardedVectors]], k: int, *, options: MiningOptions, progress: Progress
) -> None:
    """Have the engine compute the tiles that `neighborhoods` of each pair of sides looks for; nothing without one.

    Raises:
        UsageError: Memory does not suffice.
        Interrupted: Others have a part of it.
    """
    if options.engine is None or options.work is None:
        return
    tiles: list[Tile] = []
    for source, target in pairs:
        if not options.is_approximate(len(source) * len(target)):
            rows = _block_rows(source, target, k, options)
            tiles += tiles_both_ways(source, target, k, work=options.work, block_rows=rows)
    options.engine.run(tiles, work="mining tiles", progress=progress, last=True)


def neighborhoods_within(
    vectors: ShardedVectors, k: int, *, options: MiningOptions, progress: Progress
) -> Neighborhoods:
    """Find the `k` nearest other rows of each row of one set.

    Raises:
        UsageError: Memory does not suffice.
        Interrupted: Others have a part of the tiles.
    """
    block_rows = block_rows_within(options.memory, n_rows=len(vectors), dim=vectors.dim, k=2 * k)
    if not options.is_approximate(len(vectors) ** 2 // 2):
        if options.engine is not None and options.work is not None:
            tiles = tiles_within(vectors, k, work=options.work, block_rows=block_rows)
            options.engine.run(tiles, work="mining tiles", progress=progress, last=True)
        store = options.store("tiles")
        found = neighbors_within(vectors, k, store=store, block_rows=block_rows, progress=progress)
        return Neighborhoods(found, found)
    with _whole(vectors, options) as rows:
        wider, approximation = approximate_within(rows, k + 1, progress=progress)
    found = without_self(wider)
    return Neighborhoods(found, found, approximation)


def _block_rows(source: ShardedVectors, target: ShardedVectors, k: int, options: MiningOptions) -> int:
    dim = max(source.dim, target.dim)
    return block_rows_within(options.memory, n_rows=len(source) + len(target), dim=dim, k=k)


@contextmanager
def _whole(vectors: ShardedVectors, options: MiningOptions) -> Iterator[Float32[ndarray, "n dim"]]:
    """Give all vectors as one matrix, mapped from a file in the work folder while it is used; in memory without one."""
    shape = (len(vectors), vectors.dim)
    if options.work is None:
        yield _filled(np.empty(shape, dtype=np.float32), vectors)
        return
    options.work.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=options.work, prefix="matrix-") as folder:
        file = Path(folder) / "vectors.f32"
        yield _filled(np.memmap(file, dtype=np.float32, mode="w+", shape=shape), vectors)


def _filled(matrix: Float32[ndarray, "n dim"], vectors: ShardedVectors) -> Float32[ndarray, "n dim"]:
    for start in range(0, len(vectors), PIECE_ROWS):
        stop = min(start + PIECE_ROWS, len(vectors))
        matrix[start:stop] = vectors.read(start, stop)
    return matrix
