"""Choosing sentences that do not repeat each other."""

from __future__ import annotations

import numpy as np
import pytest

from mling_embed.errors import UsageError
from mling_embed.summarization.selection import choose

ROWS = np.array([[1.0, 0.0], [0.8, 0.6], [1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
CENTRAL = np.array([0.4, 0.2, 0.3, 0.1])


def test_by_hand() -> None:
    assert choose(ROWS, CENTRAL, 3, redundancy=0.0) == [0, 2, 1]
    # After 0: 1 has .5 * .5 - .5 * .8 = -.15, 2 has .375 - .5 = -.125, 3 has .125 - 0.
    assert choose(ROWS, CENTRAL, 2, redundancy=0.5) == [0, 3]
    # Then 1 is like 0 by .8 and like 3 by .6: -.15 again; 2 stays at -.125.
    assert choose(ROWS, CENTRAL, 4, redundancy=0.5) == [0, 3, 2, 1]
    assert choose(ROWS, CENTRAL, 9) == choose(ROWS, CENTRAL, 4)


def test_equal_sentences_are_taken_in_their_order() -> None:
    assert choose(np.ones((3, 2), dtype=np.float32), np.full(3, 1 / 3), 2) == [0, 1]


@pytest.mark.parametrize(("size", "redundancy"), [(0, 0.3), (1, -0.1), (1, 1.1)])
def test_what_is_refused(size: int, redundancy: float) -> None:
    with pytest.raises(UsageError, match=f"{size} sentences with a redundancy of {redundancy}"):
        choose(ROWS, CENTRAL, size, redundancy=redundancy)
