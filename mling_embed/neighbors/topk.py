"""The exact top-k kernel: one pass of coarse tiles for both directions; what it cannot rule out is scored exactly."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from mling_embed.errors import UsageError
from mling_embed.neighbors.coarse import CoarsePass, Precision
from mling_embed.neighbors.order import Neighbors
from mling_embed.neighbors.reservoirs import Reservoirs
from mling_embed.neighbors.scoring import inner_products
from mling_embed.neighbors.shortlist import Shortlist
from mling_embed.neighbors.vectors import Vectors
from mling_embed.progress import Progress, silent

ROW_BLOCK, COLUMN_BLOCK = 1024, 2048  # a tile of 8 MB
ACCELERATOR_BLOCK = 16_384  # a tile of 1 GiB


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
    coarse = _coarse_pass(queries, corpus, k, device, precision)
    forward = _shortlist(coarse, k)
    for row, column, tile in _tiles(coarse, query_block, corpus_block, progress):
        forward.take(tile, query=row, candidate=column)
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
    coarse = _coarse_pass(source, target, k, device, precision)
    forward, backward = _shortlist(coarse, k), _shortlist(coarse, k, backward=True)
    for row, column, tile in _tiles(coarse, source_block, target_block, progress):
        forward.take(tile, query=row, candidate=column)
        backward.take(tile, query=column, candidate=row, transposed=True)
    return forward.neighbors(), backward.neighbors()


def _coarse_pass(left: ndarray, right: ndarray, k: int, device: str, precision: Precision | None) -> CoarsePass:
    if k < 1:
        raise UsageError(f"k is {k}, expected at least 1.")
    return CoarsePass.of(*Vectors.both(left, right, device=device), precision)


def _shortlist(coarse: CoarsePass, k: int, *, backward: bool = False) -> Reservoirs | Shortlist:
    """Return the empty shortlists of one direction."""
    queries, corpus = (coarse.right, coarse.left) if backward else (coarse.left, coarse.right)
    radius = coarse.right_radius if backward else coarse.left_radius
    width, scorer = min(k, len(corpus)), partial(inner_products, queries, corpus)
    if radius.device.type == "cpu":
        return Reservoirs(radius.numpy(), width, scorer, dtype=coarse.scores_dtype)
    return Shortlist(radius, width, scorer)


def _tiles(
    coarse: CoarsePass, row_block: int | None, column_block: int | None, progress: Progress
) -> Iterator[tuple[int, int, Tensor]]:
    """Give the tiles of coarse scores with the indices of their first row and column; each lasts until the next."""
    n_rows, n_columns = len(coarse.left), len(coarse.right)
    usual = (ROW_BLOCK, COLUMN_BLOCK) if coarse.left.device == "cpu" else (ACCELERATOR_BLOCK, ACCELERATOR_BLOCK)
    height, width = min(row_block or usual[0], n_rows), min(column_block or usual[1], n_columns)
    if not n_columns:
        return
    room = torch.empty(height * width, dtype=coarse.scores_dtype, device=coarse.left_radius.device)
    for row in range(0, n_rows, height or 1):
        rows = coarse.rows(row, row + height)
        for column in range(0, n_columns, width):
            yield row, column, coarse.multiply(rows, coarse.columns(column, column + width), room)
        progress("comparing", min(row + height, n_rows), n_rows)
