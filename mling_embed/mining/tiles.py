"""Tiles: the neighbors between a shard of one side and a shard of the other, computed once and merged exactly."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from numpy import ndarray

from mling_embed.engines.array_store import ArrayStore, key_of_parts
from mling_embed.mining.shards import SHARD_ROWS, Shard, ShardedVectors, stored_vectors
from mling_embed.neighbors.order import Neighbors, merge
from mling_embed.neighbors.topk import top_k_both
from mling_embed.progress import Progress, silent

_FORMAT = "tile 1"  # goes up when the same shards would give other neighbors
_WORK = "mining tiles"


@dataclass(frozen=True, slots=True)
class Tile:
    """Compute the neighbors between two shards whose vectors are in a folder, and keep them under their name.

    Attributes:
        left: The one shard.
        right: The other; the same for a tile of one shard with itself.
        k: Neighbors for each row.
        work: The folder of vectors and tiles.
        key: The tile's name.
        block_rows: Rows of either shard that are in memory at once.
        threads: Processor threads; the neighbors do not depend on them.
    """

    left: Shard
    right: Shard
    k: int
    work: Path
    key: str
    block_rows: int
    threads: int

    @property
    def needs_model(self) -> bool:
        """Tell that it does not."""
        return False

    def is_done(self) -> bool:
        """Tell whether the tile is there."""
        return self.key in ArrayStore(self.work / "tiles")

    def run(self) -> None:
        """Compute it.

        Raises:
            DamagedFileError: Vectors are not in the folder.
        """
        vectors = ArrayStore(self.work / "vectors")
        source, target = (stored_vectors((shard,), vectors) for shard in (self.left, self.right))
        tile = _tile(source, self.left, target, self.right, self.k, self.block_rows)
        _keep(ArrayStore(self.work / "tiles"), self.key, tile)


def tiles_both_ways(
    source: ShardedVectors, target: ShardedVectors, k: int, *, work: Path, block_rows: int = SHARD_ROWS
) -> list[Tile]:
    """Return the tiles that `neighbors_both_ways` needs, as tasks."""
    threads = torch.get_num_threads()
    return [
        Tile(left, right, k, work.resolve(), _key("both", left, right, k), block_rows, threads)
        for left in source.shards
        for right in target.shards
    ]


def tiles_within(vectors: ShardedVectors, k: int, *, work: Path, block_rows: int = SHARD_ROWS) -> list[Tile]:
    """Return the tiles that `neighbors_within` needs, as tasks."""
    threads = torch.get_num_threads()
    return [
        Tile(left, right, k + 1, work.resolve(), _key("within", left, right, k + 1), block_rows, threads)
        for place, left in enumerate(vectors.shards)
        for right in vectors.shards[place:]
    ]


def neighbors_both_ways(
    source: ShardedVectors,
    target: ShardedVectors,
    k: int,
    *,
    store: ArrayStore,
    block_rows: int = SHARD_ROWS,
    progress: Progress = silent,
) -> tuple[Neighbors, Neighbors]:
    """Find the `k` nearest targets of each source and the `k` nearest sources of each target.

    The result does not depend on how the sides are cut into shards, nor on which tiles were in the store already.

    Args:
        source: Vectors of one side.
        target: Vectors of the other.
        k: Neighbors for each row; clamped to the other side's size.
        store: Holds tiles: those that it has are not computed.
        block_rows: Rows of either side that are in memory at once.
        progress: Told of tiles done.
    """
    total = len(source.shards) * len(target.shards)
    forward = [_none(len(shard)) for shard in source.shards]
    backward = [_none(len(shard)) for shard in target.shards]
    for i, left in enumerate(source.shards):
        for j, right in enumerate(target.shards):
            progress(_WORK, i * len(target.shards) + j, total)
            key = _key("both", left, right, k)
            if (tile := _load(store, key)) is None:
                tile = _tile(source, left, target, right, k, block_rows)
                _keep(store, key, tile)
            forward[i] = merge([forward[i], tile[0]], k, offsets=[0, right.start])
            backward[j] = merge([backward[j], tile[1]], k, offsets=[0, left.start])
    progress(_WORK, total, total)
    return _joined(forward), _joined(backward)


def neighbors_within(
    vectors: ShardedVectors,
    k: int,
    *,
    store: ArrayStore,
    block_rows: int = SHARD_ROWS,
    progress: Progress = silent,
) -> Neighbors:
    """Find the `k` nearest other rows of each row of one set; each tile of two shards serves both.

    Args:
        vectors: The set.
        k: Neighbors for each row; clamped to the number of other rows.
        store: Holds tiles.
        block_rows: Rows of either shard that are in memory at once.
        progress: Told of tiles done.
    """
    shards, wider = vectors.shards, k + 1  # a row is its own neighbor, and taken out at the end
    total, done = len(shards) * (len(shards) + 1) // 2, 0
    found = [_none(len(shard)) for shard in shards]
    for i, left in enumerate(shards):
        for j in range(i, len(shards)):
            right = shards[j]
            progress(_WORK, done, total)
            key = _key("within", left, right, wider)
            if (tile := _load(store, key)) is None:
                tile = _tile(vectors, left, vectors, right, wider, block_rows)
                _keep(store, key, tile)
            found[i] = merge([found[i], tile[0]], wider, offsets=[0, right.start])
            if i != j:
                found[j] = merge([found[j], tile[1]], wider, offsets=[0, left.start])
            done += 1
    progress(_WORK, total, total)
    return without_self(_joined(found))


def _key(kind: str, left: Shard, right: Shard, k: int) -> str:
    return key_of_parts(_FORMAT, kind, left.name, right.name, str(k))


def _tile(
    source: ShardedVectors, left: Shard, target: ShardedVectors, right: Shard, k: int, block_rows: int
) -> tuple[Neighbors, Neighbors]:
    """Compute one tile, block by block; rows are counted from the shards' first ones."""
    backward = _none(len(right))
    forwards = []
    for low in range(left.start, left.stop, block_rows):
        ours = source.read(low, min(low + block_rows, left.stop))
        forward, parts = _none(len(ours)), []
        for start in range(right.start, right.stop, block_rows):
            theirs = target.read(start, min(start + block_rows, right.stop))
            there, back = top_k_both(ours, theirs, k)
            forward = merge([forward, there], k, offsets=[0, start - right.start])
            parts.append(back)
        backward = merge([backward, _joined(parts)], k, offsets=[0, low - left.start])
        forwards.append(forward)
    return _joined(forwards), backward


def _none(n_rows: int) -> Neighbors:
    return Neighbors(np.empty((n_rows, 0), dtype=np.int64), np.empty((n_rows, 0), dtype=np.float64))


def _joined(parts: list[Neighbors]) -> Neighbors:
    """Return the rows of all parts, one after the other."""
    if not parts:
        return _none(0)
    return Neighbors(np.concatenate([part.indices for part in parts]), np.concatenate([part.scores for part in parts]))


def without_self(neighbors: Neighbors) -> Neighbors:
    """Return the neighbors without each row itself; without the last one where it is crowded out by its equals."""
    n_rows, width = neighbors.indices.shape
    own = neighbors.indices == np.arange(n_rows)[:, None]
    order: Int64[ndarray, "n k"] = np.argsort(own, axis=1, kind="stable")[:, : max(width - 1, 0)]
    return Neighbors(
        np.take_along_axis(neighbors.indices, order, axis=1), np.take_along_axis(neighbors.scores, order, axis=1)
    )


def _load(store: ArrayStore, key: str) -> tuple[Neighbors, Neighbors] | None:
    arrays = store.get(key)
    if arrays is None:
        return None
    forward, backward = (
        Neighbors(arrays[f"{name}_indices"].astype(np.int64), arrays[f"{name}_scores"])
        for name in ("forward", "backward")
    )
    return forward, backward


def _keep(store: ArrayStore, key: str, tile: tuple[Neighbors, Neighbors]) -> None:
    arrays: dict[str, ndarray] = {}
    for name, part in zip(("forward", "backward"), tile, strict=True):
        arrays |= {f"{name}_indices": part.indices.astype(np.uint32), f"{name}_scores": part.scores}
    store.put(key, arrays)
