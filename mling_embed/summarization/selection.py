"""Maximal marginal relevance: central sentences that do not repeat each other (Carbonell and Goldstein 1998)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64
from numpy import ndarray

from mling_embed.errors import UsageError
from mling_embed.neighbors.vectors import unit_rows

REDUNDANCY = 0.3


def choose(
    vectors: Float[ndarray, "n dim"],
    centrality: Float64[ndarray, " n"],
    size: int,
    *,
    redundancy: float = REDUNDANCY,
) -> list[int]:
    """Choose sentences one by one: each the most central, less what it repeats of those chosen before.

    What is compared is ``(1 - redundancy) * centrality / max(centrality) - redundancy * (largest cosine with a chosen
    sentence)``; of equal ones the earlier is taken.

    Args:
        vectors: Of the sentences, of any norm. Shape: (n, dim).
        centrality: Of each. Shape: (n,).
        size: How many; all where there are fewer.
        redundancy: The weight of repetition, from 0 (centrality alone) to 1.

    Returns:
        Places of the sentences, in the order of their choice.

    Raises:
        UsageError: `size` is below 1, or `redundancy` not within 0 and 1.
    """
    if size < 1 or not 0 <= redundancy <= 1:
        raise UsageError(f"{size} sentences with a redundancy of {redundancy}: expected 1 or more, and 0 to 1.")
    rows = unit_rows(vectors).astype(np.float64)
    relevance = (1 - redundancy) * centrality / max(float(centrality.max(initial=0.0)), np.finfo(np.float64).tiny)
    repeated = np.zeros(len(rows))
    chosen: list[int] = []
    for _ in range(min(size, len(rows))):
        gain = relevance - redundancy * repeated
        gain[chosen] = -np.inf
        chosen.append(int(np.argmax(gain)))
        cosines = rows @ rows[chosen[-1]]
        repeated = cosines if len(chosen) == 1 else np.maximum(repeated, cosines)
    return chosen
