"""Semantic textual similarity: how well cosines rank sentence pairs as people do."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Shaped
from numpy import ndarray

from mling_embed.errors import UsageError
from mling_embed.neighbors.vectors import unit_rows


def pair_cosines(
    first: Float[ndarray, "n_pairs dim"], second: Float[ndarray, "n_pairs dim"]
) -> Float[ndarray, " n_pairs"]:
    """Return the cosine of each row of `first` with the same row of `second`; 0 where a row is zero.

    Shape: (n_pairs, dim), (n_pairs, dim) -> (n_pairs,). The rows need not be unit-norm.
    """
    cosines: Float[ndarray, " n_pairs"] = np.einsum("nd,nd->n", unit_rows(first), unit_rows(second), dtype=np.float64)
    return cosines


def spearman(first: Shaped[ndarray, " n"], second: Shaped[ndarray, " n"]) -> float:
    """Return Spearman's rank correlation, as a fraction; ties have their mean rank.

    Raises:
        UsageError: The lengths differ, or a side is constant or not finite, so that there is no correlation.
    """
    from scipy.stats import spearmanr

    _require_spread(first, second)
    return float(spearmanr(first, second).statistic)


def pearson(first: Shaped[ndarray, " n"], second: Shaped[ndarray, " n"]) -> float:
    """Return Pearson's correlation, as a fraction.

    Raises:
        UsageError: The lengths differ, or a side is constant or not finite, so that there is no correlation.
    """
    from scipy.stats import pearsonr

    _require_spread(first, second)
    return float(pearsonr(first, second).statistic)


def _require_spread(first: Shaped[ndarray, " n"], second: Shaped[ndarray, " m"]) -> None:
    if first.shape != second.shape:
        raise UsageError(f"{len(first)} scores against {len(second)}: expected as many on both sides.")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise UsageError("a score is not a finite number.")
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        raise UsageError("all scores of a side are equal: there is no correlation.")
