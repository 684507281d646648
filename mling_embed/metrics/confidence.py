"""Confidence intervals: Wilson's for shares, the percentile bootstrap for means and correlations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped
from numpy import ndarray

from mling_embed.errors import UsageError

LEVEL = 0.95
N_RESAMPLES = 1000
_NUMBERS_AT_ONCE = 2_000_000


class Interval(NamedTuple):
    """Hold both ends of a confidence interval."""

    low: float
    high: float


def wilson_interval(hits: int, n: int, *, level: float = LEVEL) -> Interval:
    """Return Wilson's score interval of the share hits / n (Wilson 1927).

    Raises:
        UsageError: `n` is not positive, or `hits` is not between 0 and `n`.
    """
    from scipy.stats import binomtest

    if n < 1 or not 0 <= hits <= n:
        raise UsageError(f"{hits} hits of {n}: expected 0 <= hits <= n and n >= 1.")
    found = binomtest(hits, n).proportion_ci(confidence_level=level, method="wilson")
    return Interval(float(found.low), float(found.high))


def mean_interval(
    values: Sequence[float], *, level: float = LEVEL, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> Interval:
    """Return the percentile bootstrap interval of a mean.

    Args:
        values: What the mean is of, such as the nDCG of each query.
        level: Coverage.
        n_resamples: Resamples drawn.
        seed: The same seed gives the same interval.

    Raises:
        UsageError: There are no values.
    """
    from scipy.stats import bootstrap

    if not values:
        raise UsageError("no values: there is no mean.")
    if len(set(values)) == 1:  # scipy refuses a single value
        return Interval(float(values[0]), float(values[0]))
    found = bootstrap(
        (np.asarray(values, dtype=np.float64),),
        np.mean,
        confidence_level=level,
        n_resamples=n_resamples,
        batch=_resamples_at_once(len(values)),
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(float(found.low), float(found.high))


def spearman_interval(
    first: Shaped[ndarray, " n"],
    second: Shaped[ndarray, " n"],
    *,
    level: float = LEVEL,
    n_resamples: int = N_RESAMPLES,
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
    rows_at_once = _resamples_at_once(len(first))
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


def _resamples_at_once(n: int) -> int:
    return max(1, _NUMBERS_AT_ONCE // max(1, n))


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
