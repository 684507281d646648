"""Whether one encoder is better than another on the same sentences, or may only seem so."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from mling_embed.errors import UsageError
from mling_embed.metrics.confidence import LEVEL, N_RESAMPLES, Interval, mean_interval

N_PERMUTATIONS = 9999
_NUMBERS_AT_ONCE = 2_000_000


def sign_test(won: int, lost: int) -> float:
    """Return the two-sided p-value of the exact sign test, which for right and wrong answers is McNemar's (1947).

    Args:
        won: Sentences that the first got right and the second did not.
        lost: The other way round; those on which both agree say nothing.

    Raises:
        UsageError: A count is negative.

    >>> sign_test(8, 1), sign_test(0, 0)
    (0.0390625, 1.0)
    """
    from scipy.stats import binomtest

    if min(won, lost) < 0:
        raise UsageError(f"{won} won and {lost} lost: expected counts.")
    return float(binomtest(won, won + lost).pvalue) if won + lost else 1.0


def difference_interval(first: Sequence[float], second: Sequence[float], *, seed: int = 0) -> Interval:
    """Return the 95% interval of the difference of two means over the same items, by the paired bootstrap.

    Raises:
        UsageError: There are other numbers of values, or none.
    """
    return mean_interval(_differences(first, second).tolist(), seed=seed)


def randomization_test(
    first: Sequence[float], second: Sequence[float], *, n: int = N_PERMUTATIONS, seed: int = 0
) -> float:
    """Return the two-sided p-value of a difference of means over the same items, by approximate randomization.

    The values of the two are exchanged for each item or not, at random, n times: (c + 1) / (n + 1), where c is how
    often the difference is at least as large as it is (Noreen 1989; Riezler and Maxwell 2005).

    Raises:
        UsageError: There are other numbers of values, or none.
    """
    differences = _differences(first, second)
    moved = differences[differences != 0]  # what is equal in both changes nothing
    if not len(moved):
        return 1.0
    random = np.random.default_rng(seed)
    observed, exceeded, done = abs(moved.sum()), 0, 0
    while done < n:
        rows = min(n - done, max(1, _NUMBERS_AT_ONCE // len(moved)))
        signs = random.integers(0, 2, (rows, len(moved)), dtype=np.int8) * 2 - 1
        exceeded += int((np.abs(signs @ moved) >= observed - 1e-12 * max(1.0, observed)).sum())
        done += rows
    return (exceeded + 1) / (n + 1)


def correlation_difference(
    first: Sequence[float], second: Sequence[float], gold: Sequence[float], *, seed: int = 0
) -> tuple[Interval, float]:
    """Compare how two encoders' scores of the same pairs are rank-correlated with people's.

    Both sides are turned into ranks, so that they are of one scale. The interval is that of the difference of
    Spearman's correlations over resampled pairs; the p-value is of approximate randomization, exchanging the ranks of
    a pair.

    Returns:
        The 95% interval and the two-sided p-value.

    Raises:
        UsageError: There are other numbers of values, or fewer than two.
    """
    from scipy.stats import rankdata

    if not len(first) == len(second) == len(gold) or len(gold) < 2:
        raise UsageError(f"{len(first)}, {len(second)} and {len(gold)} values: expected as many, two at least.")
    one, other, people = (rankdata(values).astype(np.float64) for values in (first, second, gold))
    random = np.random.default_rng(seed)
    drawn = random.integers(0, len(gold), (N_RESAMPLES, len(gold)))
    resampled = _correlations(one[drawn], people[drawn]) - _correlations(other[drawn], people[drawn])
    low, high = np.nanquantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    whole = people[None]
    observed = abs(float((_correlations(one[None], whole) - _correlations(other[None], whole))[0]))
    swapped = random.integers(0, 2, (N_RESAMPLES - 1, len(gold))).astype(bool)
    exchanged = _correlations(np.where(swapped, other, one), whole) - _correlations(
        np.where(swapped, one, other), whole
    )
    exceeded = int((np.abs(exchanged) >= observed - 1e-12).sum())
    return Interval(float(low), float(high)), (exceeded + 1) / N_RESAMPLES


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values as adjusted for their number by Holm's step-down method (1979), in their order.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for step, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        largest = max(largest, min(1.0, (len(p_values) - step) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def _differences(first: Sequence[float], second: Sequence[float]) -> Float64[ndarray, " n"]:
    if len(first) != len(second) or not len(first):
        raise UsageError(f"{len(first)} values against {len(second)}: expected as many, at least one.")
    differences: Float64[ndarray, " n"] = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    return differences


def _correlations(first: Float64[ndarray, "m n"], second: Float64[ndarray, "#m n"]) -> Float64[ndarray, " m"]:
    """Return Pearson's correlation of each row."""
    one, other = (side - side.mean(axis=1, keepdims=True) for side in (first, second))
    spread = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    found: Float64[ndarray, " m"] = np.divide(
        (one * other).sum(axis=1), spread, out=np.full(len(one), np.nan), where=spread > 0
    )
    return found
