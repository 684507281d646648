"""Exact answers from FAISS: candidates in fp32, ranked in float64, asked for again until none can be missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from numpy import ndarray

from mling_embed.neighbors.scanning import add_products

Nearest = Callable[[Float32[ndarray, "n_queries dim"], int], tuple[ndarray, ndarray]]
"""Queries and a number of candidates -> their fp32 scores, best first, and their positions, -1 where there is none."""
PADDING = 8  # candidates beyond k: the first certificate succeeds but for duplicates


@dataclass(frozen=True, slots=True)
class Ranked:
    """Hold the best positions of each query; of equal scores the lower position comes first.

    Attributes:
        positions: -1 where there are fewer than k. Shape: (n_queries, k).
        scores: Inner products in float64; minus infinity where there is none. Shape: (n_queries, k).
    """

    positions: Int64[ndarray, "n_queries k"]
    scores: Float64[ndarray, "n_queries k"]


def no_hits(n_queries: int) -> Ranked:
    """Return the answer of nothing."""
    return Ranked(np.empty((n_queries, 0), dtype=np.int64), np.empty((n_queries, 0)))


def rank_exactly(
    queries: Float32[ndarray, "n_queries dim"],
    vectors: Float32[ndarray, "n dim"],
    nearest: Nearest,
    k: int,
    *,
    allowed: Bool[ndarray, " n"] | None = None,
    n_candidates: int | None = None,
    longest: float | None = 1.0,
) -> Ranked:
    """Rank candidates by their inner product in float64 and prove that no better one was left out.

    The fp32 score of a candidate differs from the exact one by at most dim x 2^-23 x |q| x |v| (Higham 2002, 3.1,
    with room for the order of summation). Where the k-th exact score does not clear the last candidate's fp32 score by
    that bound, twice as many candidates are asked for.

    Args:
        queries: Shape: (n_queries, dim).
        vectors: What is searched. Shape: (n, dim).
        nearest: Finds candidates.
        k: Positions wanted for each query.
        allowed: Positions that may be returned; all by default. `nearest` may return others too. Shape: (n,).
        n_candidates: Candidates asked for at first.
        longest: Norm of the longest vector. `None` where `nearest` does not look at every vector, so that nothing can
            be proved: more candidates are asked for only where fewer than k came back.
    """
    there = len(vectors) if allowed is None else int(allowed.sum())
    width = min(k, there)
    best = Ranked(np.full((len(queries), width), -1, dtype=np.int64), np.full((len(queries), width), -np.inf))
    open_queries = np.arange(len(queries)) if width else np.empty(0, dtype=np.int64)
    asked = min(n_candidates or k + PADDING, len(vectors))
    while len(open_queries):
        part = queries[open_queries]
        coarse, positions = nearest(part, asked)
        exact = _exact_scores(part, vectors, positions, allowed)
        order = np.lexsort((positions, -exact))[:, :width]
        chosen = np.take_along_axis(exact, order, axis=1)
        best.scores[open_queries] = chosen
        best.positions[open_queries] = np.where(chosen > -np.inf, np.take_along_axis(positions, order, axis=1), -1)
        if asked >= len(vectors):
            break
        if longest is not None:
            bound = queries.shape[1] * 2.0**-23 * longest * np.linalg.norm(part.astype(np.float64), axis=1)
            done = chosen[:, -1] > np.where(positions[:, -1] < 0, -np.inf, coarse[:, -1] + bound)
        else:
            done = chosen[:, -1] > -np.inf
        open_queries = open_queries[~done]
        asked = min(2 * asked, len(vectors))
    return best


def _exact_scores(
    queries: Float32[ndarray, "n_queries dim"],
    vectors: Float32[ndarray, "n dim"],
    positions: Int64[ndarray, "n_queries m"],
    allowed: Bool[ndarray, " n"] | None,
) -> Float64[ndarray, "n_queries m"]:
    scores = np.empty(positions.shape)
    first, places = np.zeros(positions.shape[1], dtype=np.int64), np.arange(positions.shape[1])
    for row in range(len(queries)):  # added in the defined order: a product of matrices gives equal rows unequal digits
        found = np.ascontiguousarray(vectors[positions[row]])
        add_products(np.ascontiguousarray(queries[row : row + 1]), found, first, places, scores[row])
    usable = positions >= 0
    if allowed is not None:
        usable &= allowed[positions]
    scores[~usable] = -np.inf
    return scores
