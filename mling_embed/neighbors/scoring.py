"""Exact scores: inner products in float64, added in one order on every machine."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from mling_embed.neighbors import scanning
from mling_embed.neighbors.order import Neighbors, best_first
from mling_embed.neighbors.threads import on_threads, spans
from mling_embed.neighbors.vectors import Vectors

CHUNK = 128  # pairs whose rows are read at a time: they stay in the processor's cache


def inner_products(
    left: Vectors, right: Vectors, rows: Int64[ndarray, " n_pairs"], columns: Int64[ndarray, " n_pairs"]
) -> Float64[ndarray, " n_pairs"]:
    """Return the inner product of row `rows[p]` of the left with row `columns[p]` of the right, for each p.

    Products of fp32 numbers are exact in float64; they are added by halves, element i to element i + width / 2, so that
    the sum is the same on every machine, and in both directions.

    Args:
        left: Vectors. Shape: (n_left, dim).
        right: Vectors. Shape: (n_right, dim).
        rows: Indices, best in rising order. Shape: (n_pairs,).
        columns: Indices. Shape: (n_pairs,).
    """
    found = np.empty(len(rows))

    def score(start: int, stop: int) -> None:
        if left.whole is not None and right.whole is not None:
            scanning.add_products(left.whole, right.whole, rows[start:stop], columns[start:stop], found[start:stop])
            return
        for chunk in range(start, stop, CHUNK):
            span = slice(chunk, min(chunk + CHUNK, stop))
            places = np.arange(len(found[span]))
            scanning.add_products(left.take(rows[span]), right.take(columns[span]), places, places, found[span])

    on_threads(score, spans(len(rows)))
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
    scores[rows, places] = inner_products(left, right, rows, candidates[rows, places])
    return best_first(candidates, scores, k)
