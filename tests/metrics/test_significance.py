"""The sign test of two encoders on the same sentences."""

from __future__ import annotations

from math import comb

import pytest

from mling_embed.errors import UsageError
from mling_embed.metrics.significance import sign_test


def test_by_hand() -> None:
    assert sign_test(0, 5) == pytest.approx(2 / 2**5)
    assert sign_test(8, 3) == pytest.approx(2 * sum(comb(11, k) for k in range(4)) / 2**11)


def test_neither_side_is_favored() -> None:
    assert sign_test(12, 4) == sign_test(4, 12)
    assert sign_test(7, 7) == sign_test(0, 0) == 1


def test_counts_are_refused_below_zero() -> None:
    with pytest.raises(UsageError, match="-1 won"):
        sign_test(-1, 2)
