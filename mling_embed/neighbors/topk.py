"""The exact top-k kernel: blocked, in fp32, with ties that always fall the same way."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from numpy import ndarray
from torch import Tensor

from mling_embed.errors import UsageError
from mling_embed.neighbors.order import Neighbors

QUERY_BLOCK = 1024
CORPUS_BLOCK = 8192


def top_k(
    queries: Float[ndarray, "n_queries dim"],
    corpus: Float[ndarray, "n_corpus dim"],
    k: int,
    *,
    query_block: int = QUERY_BLOCK,
    corpus_block: int = CORPUS_BLOCK,
) -> Neighbors:
    """Find the `k` rows of `corpus` with the largest inner product with each query, exactly.

    Args:
        queries: Vectors; unit-norm if the scores are to be cosines. Shape: (n_queries, dim).
        corpus: Vectors. Shape: (n_corpus, dim).
        k: Neighbors for each query; clamped to n_corpus.
        query_block: Rows of a tile.
        corpus_block: Columns of a tile; memory is about 4 * query_block * corpus_block bytes.

    Raises:
        UsageError: The widths differ, `k` is below 1, or a vector is not finite.
    """
    left, right = _checked(queries, corpus, k)
    width = min(k, len(right))
    best = _Best(len(left), width)
    for start in range(0, len(left), query_block):
        rows = left[start : start + query_block]
        for offset in range(0, len(right), corpus_block):
            tile = rows @ right[offset : offset + corpus_block].T
            best.take(tile, row=start, column=offset)
    return best.neighbors()


def top_k_both(
    source: Float[ndarray, "n_source dim"],
    target: Float[ndarray, "n_target dim"],
    k: int,
    *,
    source_block: int = QUERY_BLOCK,
    target_block: int = CORPUS_BLOCK,
) -> tuple[Neighbors, Neighbors]:
    """Find the neighbors of each source row among the targets and of each target row among the sources, in one pass.

    Each tile of inner products is computed once and serves both directions.

    Args:
        source: Vectors; unit-norm if the scores are to be cosines. Shape: (n_source, dim).
        target: Vectors. Shape: (n_target, dim).
        k: Neighbors for each row; clamped to the other side's size.
        source_block: Rows of a tile.
        target_block: Columns of a tile.

    Returns:
        The neighbors of the sources, shape (n_source, k), and those of the targets, shape (n_target, k).

    Raises:
        UsageError: The widths differ, `k` is below 1, or a vector is not finite.
    """
    left, right = _checked(source, target, k)
    forward = _Best(len(left), min(k, len(right)))
    backward = _Best(len(right), min(k, len(left)))
    for start in range(0, len(left), source_block):
        rows = left[start : start + source_block]
        for offset in range(0, len(right), target_block):
            tile = rows @ right[offset : offset + target_block].T
            forward.take(tile, row=start, column=offset)
            backward.take(tile.T.contiguous(), row=offset, column=start)
    return forward.neighbors(), backward.neighbors()


def unit_rows(vectors: Float[ndarray, "n dim"]) -> Float32[ndarray, "n dim"]:
    """Return the rows scaled to norm 1, in fp32; a row of zeros stays as it is."""
    rows = np.asarray(vectors, dtype=np.float32)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: Float32[ndarray, "n dim"] = rows / np.where(norms > 0, norms, np.float32(1))
    return scaled


class _Best:
    """Keep the best of the tiles seen so far, for each row."""

    def __init__(self, n_rows: int, k: int) -> None:
        self._indices = np.full((n_rows, k), np.iinfo(np.int64).max, dtype=np.int64)
        self._scores = np.full((n_rows, k), -np.inf, dtype=np.float32)

    def take(self, tile: Tensor, *, row: int, column: int) -> None:
        """Merge in a tile of scores whose first row and column have these indices."""
        k = self._scores.shape[1]
        rows = slice(row, row + len(tile))
        scores, indices = _tile_top_k(tile, min(k, tile.shape[1]))
        scores = np.concatenate([self._scores[rows], scores], axis=1)
        indices = np.concatenate([self._indices[rows], indices + column], axis=1)
        order = np.lexsort((indices, -scores))[:, :k]
        self._scores[rows] = np.take_along_axis(scores, order, axis=1)
        self._indices[rows] = np.take_along_axis(indices, order, axis=1)

    def neighbors(self) -> Neighbors:
        """Return the best of all tiles seen."""
        return Neighbors(self._indices, self._scores.astype(np.float64))


def _tile_top_k(tile: Tensor, k: int) -> tuple[Float32[ndarray, "rows k"], Int64[ndarray, "rows k"]]:
    """Return each row's `k` best columns; where the k-th score occurs more often than it fits, the lowest columns."""
    if k == 1:
        first = tile.numpy().argmax(axis=1, keepdims=True)  # numpy takes the first of equal maxima
        return np.take_along_axis(tile.numpy(), first, axis=1), first
    wider = min(k + 1, tile.shape[1])
    values, columns = tile.topk(wider, dim=1)
    scores, indices = values.numpy()[:, :k], columns.numpy()[:, :k]
    # topk may keep any of the columns that tie for the last place: choose among them again.
    crowded = np.flatnonzero(values[:, k - 1] == values[:, -1]) if wider > k else np.empty(0, dtype=np.int64)
    if len(crowded):
        order = np.argsort(-tile[crowded].numpy(), axis=1, kind="stable")[:, :k]
        indices[crowded] = order
        scores[crowded] = np.take_along_axis(tile[crowded].numpy(), order, axis=1)
    return scores, indices


def _checked(left: ndarray, right: ndarray, k: int) -> tuple[Tensor, Tensor]:
    """Return both sides as fp32 tensors, having looked at their shapes and values."""
    if left.ndim != 2 or right.ndim != 2 or left.shape[1] != right.shape[1]:
        raise UsageError(f"vectors of shapes {left.shape} and {right.shape} cannot be compared: expected (n, dim).")
    if k < 1:
        raise UsageError(f"k is {k}, expected at least 1.")
    sides = [np.ascontiguousarray(side, dtype=np.float32) for side in (left, right)]
    for name, side in zip(("left", "right"), sides, strict=True):
        if not np.isfinite(side).all():
            bad = int(np.flatnonzero(~np.isfinite(side).all(axis=1))[0])
            raise UsageError(f"row {bad} of the {name} side is not finite.", next_step="Look at the encoder.")
    # A read-only array (a memory map) cannot be lent to torch without a warning, so that it is copied.
    return tuple(torch.from_numpy(side if side.flags.writeable else side.copy()) for side in sides)  # type: ignore[return-value]
