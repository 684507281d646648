"""LexRank: a sentence is central if it resembles many sentences that are central themselves (Erkan and Radev 2004)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64
from numpy import ndarray

from mling_embed.errors import UsageError
from mling_embed.neighbors.vectors import unit_rows

DAMPING = 0.85
_CHANGE = 1e-12
_MOST_STEPS = 1000


def lexrank(vectors: Float[ndarray, "n dim"], *, damping: float = DAMPING) -> Float64[ndarray, " n"]:
    """Return the centrality of each sentence: continuous LexRank (equation 4), which sums to 1.

    The graph's weights are the cosines of different sentences, those below zero counting as zero; a sentence without
    any neighbor gives the same to all. Found by power iteration.

    Args:
        vectors: Of the sentences, of any norm. Shape: (n, dim).
        damping: The share of a sentence's weight that goes to what it resembles; the rest goes to all alike. With 1 it
            is the stationary distribution of the plain graph.

    Raises:
        UsageError: There are no sentences, or `damping` is not within 0 and 1.
    """
    if not len(vectors) or not 0 <= damping <= 1:
        raise UsageError(f"{len(vectors)} sentences and a damping of {damping}: expected some, and one within 0 and 1.")
    n = len(vectors)
    rows = unit_rows(vectors).astype(np.float64)
    weights = np.maximum(rows @ rows.T, 0.0)
    np.fill_diagonal(weights, 0.0)
    sums = weights.sum(axis=1, keepdims=True)
    steps = np.divide(weights, sums, out=np.full((n, n), 1 / n), where=sums > 0)
    ranks = np.full(n, 1 / n)
    for _ in range(_MOST_STEPS):
        moved = damping * (ranks @ steps) + (1 - damping) / n
        if np.abs(moved - ranks).sum() < _CHANGE:
            break
        # Half a step: two sentences alone would else pass their weight to and fro for ever.
        ranks = (ranks + moved) / 2
    return ranks
