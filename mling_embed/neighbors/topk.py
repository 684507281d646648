"""The exact top-k kernel: one pass of coarse tiles for both directions; what it cannot rule out is scored exactly."""

from __future__ import annotations

from functools import partial

import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from mling_embed.errors import UsageError
from mling_embed.neighbors.coarse import CoarsePass, Precision, full_precision
from mling_embed.neighbors.order import Neighbors
from mling_embed.neighbors.reservoirs import Reservoirs
from mling_embed.neighbors.scoring import inner_products
from mling_embed.neighbors.shortlist import Shortlist
from mling_embed.neighbors.threads import at_once, one_thread_each
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
        device: Where the coarse scores are computed: ``cpu`` or ``cuda``, whose memory must hold both sides.
        precision: Format of the coarse scores; by default the fastest of the device.
        query_block: Rows of a tile.
        corpus_block: Columns of a tile. Memory beside the vectors: 4 * query_block * corpus_block bytes a thread, and
            about 40 * k + 200 for each query.
        progress: Told the queries searched so far.

    Raises:
        UsageError: The widths differ, `k` is below 1, the device is another one, or a vector is not finite.
    """
    coarse = _coarse_pass(queries, corpus, k, device, precision)
    forward = _shortlist(coarse, k)
    _compare(coarse, forward, None, (query_block, corpus_block), progress)
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
        UsageError: The widths differ, `k` is below 1, the device is another one, or a vector is not finite.
    """
    coarse = _coarse_pass(source, target, k, device, precision)
    forward, backward = _shortlist(coarse, k), _shortlist(coarse, k, backward=True)
    _compare(coarse, forward, backward, (source_block, target_block), progress)
    return forward.neighbors(), backward.neighbors()


def _coarse_pass(left: ndarray, right: ndarray, k: int, device: str, precision: Precision | None) -> CoarsePass:
    if k < 1:
        raise UsageError(f"k is {k}, expected at least 1.")
    if torch.device(device).type not in ("cpu", "cuda"):
        raise UsageError(f"vectors are not compared on '{device}': expected cpu or cuda.")
    return CoarsePass.of(*Vectors.both(left, right, device=device), precision)


def _shortlist(coarse: CoarsePass, k: int, *, backward: bool = False) -> Reservoirs | Shortlist:
    """Return the empty shortlists of one direction."""
    queries, corpus = (coarse.right, coarse.left) if backward else (coarse.left, coarse.right)
    radius = coarse.right_radius if backward else coarse.left_radius
    width, scorer = min(k, len(corpus)), partial(inner_products, queries, corpus)
    if radius.device.type == "cpu":
        return Reservoirs(radius.numpy(), width, scorer, dtype=coarse.scores_dtype)
    return Shortlist(radius, width, scorer)


def _compare(
    coarse: CoarsePass,
    forward: Reservoirs | Shortlist,
    backward: Reservoirs | Shortlist | None,
    blocks: tuple[int | None, int | None],
    progress: Progress,
) -> None:
    """Show every tile of coarse scores to the shortlists of its rows and, where there are any, to those of its columns.

    On a processor each thread multiplies a tile of its own and looks it through while it is warm. The tiles of one step
    lie on a diagonal: no two share a row or a column, so that no two threads share a query.
    """
    n_rows, n_columns = len(coarse.left), len(coarse.right)
    usual = (ROW_BLOCK, COLUMN_BLOCK) if coarse.left.device == "cpu" else (ACCELERATOR_BLOCK, ACCELERATOR_BLOCK)
    if backward is not None and coarse.left.device == "cpu":  # a tile for each thread, however few the rows
        usual = min(usual[0], -(-n_rows // torch.get_num_threads())), usual[1]
    height, width = (
        max(1, min(block or most, n)) for block, most, n in zip(blocks, usual, (n_rows, n_columns), strict=True)
    )
    rows, columns = range(0, n_rows, height), range(0, n_columns, width)
    workers = min(torch.get_num_threads(), len(rows)) if coarse.left.device == "cpu" else 1
    rooms = [coarse.left_radius.new_empty(height * width, dtype=coarse.scores_dtype) for _ in range(workers)]

    def show(row: int, column: int, room: Tensor) -> None:
        tile = coarse.multiply(coarse.rows(row, row + height), coarse.columns(column, column + width), room)
        if backward is None:
            forward.take(tile, query=row, candidate=column)
        else:
            forward.take_both(tile, backward, query=row, candidate=column)  # type: ignore[arg-type]  # of one kind

    with full_precision(), one_thread_each(workers):
        for first in range(0, len(rows) if columns else 0, max(1, workers)):
            band = rows[first : first + workers]
            steps = max(len(columns), len(band))
            for step in range(steps):
                places = [(step + place) % steps for place in range(len(band))]
                tiles = [(row, place, room) for row, place, room in zip(band, places, rooms, strict=False)]
                at_once(show, [(row, columns[place], room) for row, place, room in tiles if place < len(columns)])
            progress("comparing", min(band[-1] + height, n_rows), n_rows)
