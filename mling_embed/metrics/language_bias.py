"""Search in a pool of many languages: are right answers found whatever language they are in?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64
from numpy import ndarray

from mling_embed.errors import UsageError
from mling_embed.neighbors.vectors import unit_rows

_SCORES_AT_ONCE = 4_000_000


@dataclass(frozen=True, slots=True)
class PoolRanks:
    """Hold where a pool's right answers stand, and what stands above all.

    Attributes:
        right: For each query the ranks of its right answers, from 1, rising.
        top: For each query the rows of its first hits, best first. Shape: (n_queries, top).
    """

    right: tuple[tuple[int, ...], ...]
    top: Int64[ndarray, "n_queries top"]


def pool_ranks(
    queries: Float[ndarray, "n_queries dim"],
    pool: Float[ndarray, "n_pool dim"],
    right: Sequence[Sequence[int]],
    *,
    top: int = 10,
) -> PoolRanks:
    """Rank a whole pool by cosine for each query; of equal scores the lower row comes first.

    Args:
        queries: Vectors of any norm. Shape: (n_queries, dim).
        pool: Vectors of any norm. Shape: (n_pool, dim).
        right: The rows of each query's right answers.
        top: First hits to return.

    Raises:
        UsageError: A query has no right answer.
    """
    if len(right) != len(queries) or not all(right):
        raise UsageError("every query needs a right answer.")
    source, target = (unit_rows(side).astype(np.float64) for side in (queries, pool))
    ranks: list[tuple[int, ...]] = []
    hits = []
    rows_at_once = max(1, _SCORES_AT_ONCE // max(1, len(pool)))
    for start in range(0, len(source), rows_at_once):
        order = np.argsort(-(source[start : start + rows_at_once] @ target.T), axis=1, kind="stable")
        hits.append(order[:, :top])
        for row, places in zip(order, right[start : start + rows_at_once], strict=True):
            ranks.append(tuple((np.flatnonzero(np.isin(row, places)) + 1).tolist()))
    return PoolRanks(tuple(ranks), np.concatenate(hits))


def average_precision(ranks: Sequence[int]) -> float:
    """Return the mean precision at the rank of each right answer (LAReQA's mAP is its mean; Roy et al. 2020).

    >>> average_precision([1, 4])
    0.75
    """
    return sum(found / rank for found, rank in enumerate(sorted(ranks), 1)) / len(ranks)


def language_shares(top: Int64[ndarray, "n_queries top"], languages: Sequence[str]) -> dict[str, float]:
    """Return the share of each language among the first hits of all queries.

    Args:
        top: Rows of the pool. Shape: (n_queries, top).
        languages: The language of each row of the pool.
    """
    counts = Counter(languages[row] for row in top.reshape(-1).tolist())
    return {language: counts[language] / top.size for language in dict.fromkeys(languages)}
