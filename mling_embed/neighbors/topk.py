"""The exact top-k kernel: one pass of coarse tiles serves both directions, and what it cannot rule out is scored exactly."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor
from torch.nn import functional

from mling_embed.errors import UsageError
from mling_embed.neighbors.coarse import CoarsePass, Precision, full_precision
from mling_embed.neighbors.order import Neighbors
from mling_embed.neighbors.scoring import inner_products
from mling_embed.neighbors.shortlist import Shortlist
from mling_embed.neighbors.vectors import Vectors
from mling_embed.progress import Progress, silent

ROW_BLOCK, COLUMN_BLOCK = 1024, 2048  # a tile of 8 MB
ACCELERATOR_BLOCK = 16_384  # a tile of 1 GiB
GROUP = 32  # most candidates that share a maximum


def top_k(
    queries: Float[ndarray, "n_queries dim"],
    corpus: Float[ndarray, "n_corpus dim"],
    k: int,
    *,
    device: str = "cpu",
    precision: Precision | None = None,
    query_block: int | None = None,
    corpus_block: int | None = None,
    progress: Progress = silent,
) -> Neighbors:
    """Find the `k` rows of `corpus` with the largest inner product with each query, exactly.

    The result does not depend on the options below: they are for speed and memory.

    Args:
        queries: Vectors; unit-norm if the scores are to be cosines. fp32 and fp16 are compared as they are, other types
            are rounded to fp32. An array or a memory map. Shape: (n_queries, dim).
        corpus: Vectors. Shape: (n_corpus, dim).
        k: Neighbors for each query; clamped to n_corpus.
        device: Where the coarse scores are computed; on an accelerator both sides must fit into its memory.
        precision: Format of the coarse scores; by default the fastest of the device.
        query_block: Rows of a tile.
        corpus_block: Columns of a tile; memory is about 5 * query_block * corpus_block bytes beside the vectors.
        progress: Told the queries searched so far.

    Raises:
        UsageError: The widths differ, `k` is below 1, or a vector is not finite.
    """
    left, right = _sides(queries, corpus, k, device)
    coarse = CoarsePass.of(left, right, precision)
    forward = Shortlist(coarse.left_radius, min(k, len(right)), partial(inner_products, left, right))
    blocks = _blocks(device, query_block, corpus_block)
    for row, column, tile in _tiles(coarse, *blocks, progress):
        _forward(forward, tile, row, column, k)
    return forward.neighbors()


def top_k_both(
    source: Float[ndarray, "n_source dim"],
    target: Float[ndarray, "n_target dim"],
    k: int,
    *,
    device: str = "cpu",
    precision: Precision | None = None,
    source_block: int | None = None,
    target_block: int | None = None,
    progress: Progress = silent,
) -> tuple[Neighbors, Neighbors]:
    """Find the neighbors of each source row among the targets and of each target row among the sources, in one pass.

    Each tile of coarse scores is computed once and serves both directions. The result is that of `top_k` either way,
    whatever the options.

    Args:
        source: Vectors; unit-norm if the scores are to be cosines. As the queries of `top_k`. Shape: (n_source, dim).
        target: Vectors. Shape: (n_target, dim).
        k: Neighbors for each row; clamped to the other side's size.
        device: Where the coarse scores are computed.
        precision: Format of the coarse scores; by default the fastest of the device.
        source_block: Rows of a tile.
        target_block: Columns of a tile.
        progress: Told the source rows searched so far.

    Returns:
        The neighbors of the sources, shape (n_source, k), and those of the targets, shape (n_target, k).

    Raises:
        UsageError: The widths differ, `k` is below 1, or a vector is not finite.
    """
    left, right = _sides(source, target, k, device)
    coarse = CoarsePass.of(left, right, precision)
    forward = Shortlist(coarse.left_radius, min(k, len(right)), partial(inner_products, left, right))
    backward = Shortlist(coarse.right_radius, min(k, len(left)), partial(inner_products, right, left))
    blocks = _blocks(device, source_block, target_block)
    for row, column, tile in _tiles(coarse, *blocks, progress):
        _forward(forward, tile, row, column, k)
        _backward(backward, tile, row, column, k)
    return forward.neighbors(), backward.neighbors()


def _sides(left: ndarray, right: ndarray, k: int, device: str) -> tuple[Vectors, Vectors]:
    if k < 1:
        raise UsageError(f"k is {k}, expected at least 1.")
    return Vectors.both(left, right, device=device)


def _blocks(device: str, rows: int | None, columns: int | None) -> tuple[int, int]:
    usual = (ROW_BLOCK, COLUMN_BLOCK) if device == "cpu" else (ACCELERATOR_BLOCK, ACCELERATOR_BLOCK)
    return rows or usual[0], columns or usual[1]


def _tiles(
    coarse: CoarsePass, row_block: int, column_block: int, progress: Progress
) -> Iterator[tuple[int, int, Tensor]]:
    """Give the tiles of coarse scores with the indices of their first row and column; each lasts until the next."""
    n_rows, n_columns = len(coarse.left), len(coarse.right)
    room: Tensor | None = None
    for row in range(0, n_rows, row_block):
        rows = coarse.rows(row, row + row_block)
        for column in range(0, n_columns, column_block):
            columns = coarse.columns(column, column + column_block)
            size = len(rows) * columns.shape[1]
            if room is None or len(room) < size:
                room = torch.empty(size, dtype=rows.dtype, device=rows.device)
            with full_precision():
                tile = torch.mm(rows, columns, out=room[:size].view(len(rows), -1))
            yield row, column, tile
        progress("comparing", min(row + row_block, n_rows), n_rows)


def _forward(shortlist: Shortlist, tile: Tensor, row: int, column: int, k: int) -> None:
    """Show the rows of a tile to their shortlist, with the maxima of groups of columns."""
    size = _group_size(tile.shape[1], k)
    padded = functional.pad(tile, (0, -tile.shape[1] % size), value=-torch.inf) if tile.shape[1] % size else tile
    maxima = padded.view(len(padded), size, -1).amax(dim=1)
    shortlist.take(padded, maxima, query=row, candidate=column)


def _backward(shortlist: Shortlist, tile: Tensor, row: int, column: int, k: int) -> None:
    """Show the columns of a tile to theirs, with the maxima of groups of rows."""
    size = _group_size(len(tile), k)
    padded = functional.pad(tile, (0, 0, 0, -len(tile) % size), value=-torch.inf) if len(tile) % size else tile
    maxima = padded.view(size, -1, padded.shape[1]).amax(dim=0)
    shortlist.take(padded.T, maxima.T, query=column, candidate=row)


def _group_size(n: int, k: int) -> int:
    """Return how many candidates share a maximum: few enough that the groups are several times k."""
    return int(np.clip(n // (4 * k), 1, GROUP))
