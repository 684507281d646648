"""Exact scores: inner products in float64, added in one order on every machine."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float64, Int64
from numpy import ndarray
from torch import Tensor

from mling_embed.neighbors.order import Neighbors, best_first
from mling_embed.neighbors.vectors import Vectors

CHUNK_BYTES = 1 << 20  # of float64 products at a time: they stay in the processor's cache


def inner_products(left: Vectors, right: Vectors, rows: Tensor, columns: Tensor) -> Float64[Tensor, " n_pairs"]:
    """Return the inner product of row `rows[p]` of the left with row `columns[p]` of the right, for each p.

    Products of fp32 numbers are exact in float64; they are added by halves, element i to element i + width / 2, so that
    the sum is the same on every machine and device, and in both directions.

    Args:
        left: Vectors. Shape: (n_left, dim).
        right: Vectors. Shape: (n_right, dim).
        rows: Indices, best in rising order. Shape: (n_pairs,).
        columns: Indices. Shape: (n_pairs,).
    """
    found = torch.empty(len(rows), dtype=torch.float64, device=rows.device)
    step = max(1, CHUNK_BYTES // (8 * max(1, left.dim)))
    for start in range(0, len(rows), step):
        span = slice(start, start + step)
        found[span] = _folded(left.take(rows[span]) * right.take(columns[span]))
    return found


def rescore(
    queries: ndarray, corpus: ndarray, candidates: Int64[ndarray, "n_queries n_candidates"], k: int
) -> Neighbors:
    """Return the `k` best of each query's candidates by their exact scores, such as the hits of an approximate index.

    Args:
        queries: Vectors. Shape: (n_queries, dim).
        corpus: Vectors. Shape: (n_corpus, dim).
        candidates: Rows of the corpus, none twice for a query; -1 for none. Shape: (n_queries, n_candidates).
        k: Neighbors for each query; clamped to n_candidates. Where a query has fewer, the rest is -1 at minus infinity.

    Raises:
        UsageError: The widths differ, or a vector is not finite.
    """
    left, right = Vectors.both(queries, corpus)
    rows, places = np.nonzero(candidates >= 0)
    scores = np.full(candidates.shape, -np.inf)
    columns = torch.from_numpy(candidates[rows, places])
    scores[rows, places] = inner_products(left, right, torch.from_numpy(rows), columns).numpy()
    return best_first(candidates, scores, k)


def _folded(products: Float64[Tensor, "n dim"]) -> Float64[Tensor, " n"]:
    width = products.shape[1]
    if not width:
        return products.new_zeros(len(products))
    while width > 1:
        half = (width + 1) // 2
        products[:, : width - half] += products[:, half:width]
        width = half
    return products[:, 0]
