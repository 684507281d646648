"""Whether one encoder is better than another on the same sentences, or may only seem so."""

from __future__ import annotations

from mling_embed.errors import UsageError


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
