"""Bilingual dictionary induction: are a word's nearest words of the other language its translations?"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from jaxtyping import Float, Int64
from numpy import ndarray

from mling_embed.errors import UsageError
from mling_embed.neighbors.margins import csls
from mling_embed.neighbors.vectors import unit_rows

CSLS_K = 10
_SCORES_AT_ONCE = 8_000_000


def nearest_words(
    queries: Float[ndarray, "n_queries dim"],
    pool: Float[ndarray, "n_pool dim"],
    *,
    top: int,
    csls_k: int | None = None,
) -> Int64[ndarray, "n_queries top"]:
    """Return the rows of the pool nearest to each query, best first; of equal scores the lower row comes first.

    Args:
        queries: Vectors of any norm. Shape: (n_queries, dim).
        pool: Vectors of any norm. Shape: (n_pool, dim).
        top: How many; at most the size of the pool.
        csls_k: Size of the neighborhoods of cross-domain similarity local scaling (Conneau et al. 2018), which takes
            from each cosine the mean of those to the nearest of the other side; plain cosines without.
    """
    source, target = (unit_rows(side).astype(np.float64) for side in (queries, pool))
    at_once = max(1, _SCORES_AT_ONCE // max(1, len(target)))
    pool_mean = np.zeros(len(target)) if csls_k is None else _neighborhoods(target, source, csls_k)
    found = []
    for start in range(0, len(source), at_once):
        scores = source[start : start + at_once] @ target.T
        if csls_k is not None:
            scores = csls(scores, np.zeros((len(scores), 1)), pool_mean[None])  # a query's own mean changes no order
        found.append(np.argsort(-scores, axis=1, kind="stable")[:, :top])
    return np.concatenate(found) if found else np.empty((0, min(top, len(target))), dtype=np.int64)


def first_right(retrieved: Int64[ndarray, "n_queries top"], right: Sequence[Collection[int]]) -> Int64[ndarray, " n"]:
    """Return the rank, from 1, of each query's first right answer among what was retrieved; 0 where there is none.

    Args:
        retrieved: Rows of the pool, best first. Shape: (n_queries, top).
        right: The right rows of each query. Length: n_queries.

    Raises:
        UsageError: A query has no right answer, or there are other numbers of them.

    >>> first_right(np.array([[4, 2], [0, 1]]), [{2, 3}, {5}]).tolist()
    [2, 0]
    """
    if len(retrieved) != len(right) or not all(right):
        raise UsageError("every query needs a right answer.")
    ranks = np.zeros(len(retrieved), dtype=np.int64)
    for query, (row, answers) in enumerate(zip(retrieved.tolist(), right, strict=True)):
        ranks[query] = next((rank for rank, found in enumerate(row, 1) if found in answers), 0)
    return ranks


def _neighborhoods(rows: Float[ndarray, "n dim"], others: Float[ndarray, "m dim"], k: int) -> Float[ndarray, " n"]:
    """Return each row's mean cosine with the `k` nearest of the others."""
    k = min(k, len(others))
    at_once = max(1, _SCORES_AT_ONCE // max(1, len(others)))
    means = [
        np.partition(rows[start : start + at_once] @ others.T, -k, axis=1)[:, -k:].mean(axis=1)
        for start in range(0, len(rows), at_once)
    ]
    return np.concatenate(means)
