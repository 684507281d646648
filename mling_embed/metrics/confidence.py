"""Confidence intervals: Wilson's for shares, the percentile bootstrap for correlations."""

from __future__ import annotations

from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped
from numpy import ndarray

from mling_embed.errors import UsageError

LEVEL = 0.95


class Interval(NamedTuple):
    """Hold both ends of a confidence interval."""

    low: float
    high: float


def wilson_interval(hits: int, n: int, *, level: float = LEVEL) -> Interval:
    """Return Wilson's score interval of the share hits / n (Wilson 1927).

    Raises:
        UsageError: `n` is not positive, or `hits` is not between 0 and `n`.
    """
    if n < 1 or not 0 <= hits <= n:
        raise UsageError(f"{hits} hits of {n}: expected 0 <= hits <= n and n >= 1.")
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = hits / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    return Interval(0.0 if hits == 0 else middle - half, 1.0 if hits == n else middle + half)


def spearman_interval(
    first: Shaped[ndarray, " n"],
    second: Shaped[ndarray, " n"],
    *,
    level: float = LEVEL,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Return the percentile bootstrap interval of Spearman's correlation, resampling pairs.

    Resamples in which one side is constant have no correlation and are left out.

    Args:
        first: Scores. Shape: (n,).
        second: Scores of the same things. Shape: (n,).
        level: Coverage.
        n_resamples: Resamples drawn.
        seed: The same seed gives the same interval.
    """
    rng = np.random.default_rng(seed)
    rows_at_once = max(1, 2_000_000 // max(1, len(first)))
    values = []
    for start in range(0, n_resamples, rows_at_once):
        drawn = rng.integers(0, len(first), (min(rows_at_once, n_resamples - start), len(first)))
        values.append(_row_spearman(first[drawn], second[drawn]))
    correlations = np.concatenate(values)
    correlations = correlations[np.isfinite(correlations)]
    if not len(correlations):
        raise UsageError("no resample has a correlation: a side is constant.")
    low, high = np.quantile(correlations, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def _row_spearman(first: Shaped[ndarray, "m n"], second: Shaped[ndarray, "m n"]) -> Float[ndarray, " m"]:
    from scipy.stats import rankdata

    sides = []
    for side in (first, second):
        ranks = rankdata(side, axis=1)
        sides.append(ranks - ranks.mean(axis=1, keepdims=True))
    product = (sides[0] * sides[1]).sum(axis=1)
    spread = np.sqrt((sides[0] ** 2).sum(axis=1) * (sides[1] ** 2).sum(axis=1))
    result: Float[ndarray, " m"] = np.divide(product, spread, out=np.full(len(product), np.nan), where=spread > 0)
    return result
