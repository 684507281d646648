"""Tests of two encoders on the same items."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from mling_embed.errors import UsageError
from mling_embed.metrics.significance import (
    correlation_difference,
    difference_interval,
    holm,
    randomization_test,
    sign_test,
)


def test_the_sign_test() -> None:
    assert sign_test(8, 1) == pytest.approx(0.0390625)
    assert sign_test(3, 3) == 1.0
    with pytest.raises(UsageError, match="-1 won and 2 lost"):
        sign_test(-1, 2)


def test_randomization_of_few_items_is_near_its_exact_value() -> None:
    first, second = [1.0, 1.0, 1.0, 1.0, 0.0, 1.0], [0.0, 0.0, 0.0, 1.0, 0.0, 0.0]
    # Four items differ, all one way: of 16 ways 2 are as far apart.
    assert randomization_test(first, second) == pytest.approx(2 / 16, abs=0.01)
    assert randomization_test(first, second) == randomization_test(second, first)
    assert randomization_test(first, first) == 1.0


def test_parity_with_scipys_permutation_test() -> None:
    random = np.random.default_rng(3)
    first = random.normal(0.3, 1, 12)
    second = random.normal(0, 1, 12)
    exact = scipy.stats.permutation_test(
        (first, second), lambda a, b: a.mean() - b.mean(), permutation_type="samples", n_resamples=np.inf
    ).pvalue
    assert randomization_test(first.tolist(), second.tolist(), n=99_999) == pytest.approx(exact, abs=0.005)


def test_the_interval_is_of_the_differences() -> None:
    first, second = [3.0, 5.0, 4.0, 6.0], [1.0, 3.0, 2.0, 4.0]
    assert difference_interval(first, second) == (2.0, 2.0)
    with pytest.raises(UsageError, match="1 values against 2"):
        difference_interval([1.0], [1.0, 2.0])


def test_correlations_of_two_encoders() -> None:
    random = np.random.default_rng(0)
    gold = random.normal(size=80)
    near, far = gold + random.normal(0, 0.2, 80), gold + random.normal(0, 2.0, 80)
    interval, p = correlation_difference(near.tolist(), far.tolist(), gold.tolist())
    observed = scipy.stats.spearmanr(near, gold).statistic - scipy.stats.spearmanr(far, gold).statistic
    assert interval.low < observed < interval.high
    assert (p, interval.low > 0) == (0.001, True)
    scaled, same = correlation_difference((near * 7 + 1).tolist(), near.tolist(), gold.tolist())
    assert (scaled, same) == ((0.0, 0.0), 1.0)
    with pytest.raises(UsageError, match="1, 1 and 1 values"):
        correlation_difference([1.0], [1.0], [1.0])


def test_holm_by_hand() -> None:
    # .005 * 4; .01 * 3; .03 * 2, which is larger than .04 * 1.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
