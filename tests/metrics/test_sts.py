"""Spearman's correlation and the confidence intervals."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from mling_embed.errors import UsageError
from mling_embed.metrics.confidence import mean_interval, spearman_interval, wilson_interval
from mling_embed.metrics.sts import pair_cosines, spearman


def test_by_hand() -> None:
    assert spearman(np.array([1.0, 2, 3]), np.array([10.0, 20, 15])) == pytest.approx(0.5)
    assert spearman(np.array([1.0, 2, 3]), np.array([3.0, 2, 1])) == pytest.approx(-1)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=4, max_size=30))
def test_parity_with_scipy(pairs: list[tuple[int, int]]) -> None:
    first, second = np.array(pairs, dtype=float).T
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return
    assert spearman(first, second) == pytest.approx(scipy.stats.spearmanr(first, second).statistic, abs=1e-12)
    assert spearman(first * 3 + 1, second) == pytest.approx(spearman(first, second))


def test_cosines_of_pairs() -> None:
    first, second = np.array([[3.0, 0], [1, 1], [0, 0]]), np.array([[5.0, 0], [1, 0], [1, 1]])
    np.testing.assert_allclose(pair_cosines(first, second), [1, 0.5**0.5, 0], atol=1e-7)


@pytest.mark.usefixtures("unchecked_shapes")
def test_errors() -> None:
    with pytest.raises(UsageError, match="3 scores against 2"):
        spearman(np.arange(3.0), np.arange(2.0))
    with pytest.raises(UsageError, match="no correlation"):
        spearman(np.ones(3), np.arange(3.0))
    with pytest.raises(UsageError, match="not a finite number"):
        spearman(np.array([1.0, np.nan]), np.arange(2.0))
    with pytest.raises(UsageError, match="5 hits of 4"):
        wilson_interval(5, 4)
    with pytest.raises(UsageError, match="a side is constant"):
        spearman_interval(np.ones(4), np.arange(4.0))
    with pytest.raises(UsageError, match="no values"):
        mean_interval([])


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(0, 10, 0.0, 0.277533), (10, 10, 0.722467, 1.0), (8, 10, 0.490162, 0.943318), (831, 1000, 0.806516, 0.852950)],
)
def test_wilson_by_its_formula(hits: int, n: int, low: float, high: float) -> None:
    found = wilson_interval(hits, n)
    assert found == pytest.approx((low, high), abs=1e-6)
    z = NormalDist().inv_cdf(0.975)
    middle, half = hits + z * z / 2, z * (hits * (n - hits) / n + z * z / 4) ** 0.5
    assert found == pytest.approx(((middle - half) / (n + z * z), (middle + half) / (n + z * z)), abs=1e-12)


def test_the_interval_of_a_mean() -> None:
    rng = np.random.default_rng(1)
    values = rng.random(500).tolist()
    interval = mean_interval(values)
    half = 1.96 * np.std(values) / 500**0.5
    assert interval == pytest.approx((np.mean(values) - half, np.mean(values) + half), abs=0.003)
    assert interval == mean_interval(values)
    assert interval != mean_interval(values, seed=1)
    assert mean_interval([0.5]) == mean_interval([0.5, 0.5]) == (0.5, 0.5)


def test_the_bootstrap_is_seeded_and_sound() -> None:
    rng = np.random.default_rng(0)
    first = rng.standard_normal(400)
    second = first + rng.standard_normal(400)
    interval = spearman_interval(first, second)
    assert interval == spearman_interval(first, second)
    assert interval != spearman_interval(first, second, seed=1)
    parity = scipy.stats.bootstrap(
        (first, second),
        lambda x, y: scipy.stats.spearmanr(x, y).statistic,
        paired=True,
        vectorized=False,
        n_resamples=1000,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    assert interval.low == pytest.approx(parity.low, abs=0.015)
    assert interval.high == pytest.approx(parity.high, abs=0.015)
