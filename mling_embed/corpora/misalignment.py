"""The off-by-one check: whether the lines of one side correspond better when they are moved a few lines."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

SHIFTS = range(-5, 6)
_NUMBER = re.compile(r"\d+")
_ENDS = {"?": 1, "？": 1, "؟": 1, ";": 1, "!": 2, "！": 2, ":": 3, "：": 3}
_MARGIN = 0.15


def agreement(english: Sequence[str], other: Sequence[str]) -> float:
    """Return how well two equally long lists of lines correspond, from -1 to 1, without any encoder.

    The mean of the correlation of their log lengths, of the share of common numbers among pairs with a number,
    and of the agreement of their last characters where one is a question, an exclamation or a colon.
    """
    lengths = np.array([[math.log1p(len(a)), math.log1p(len(b))] for a, b in zip(english, other, strict=True)])
    spread = lengths.std(axis=0)
    parts = [float(np.corrcoef(lengths.T)[0, 1]) if spread.min() > 1e-9 else 0.0]
    common = []
    for a, b in zip(english, other, strict=True):
        ours, theirs = set(_NUMBER.findall(a)), set(_NUMBER.findall(b))
        if ours or theirs:
            common.append(len(ours & theirs) / len(ours | theirs))
    ends = [(_ENDS.get(a[-1:], 0), _ENDS.get(b[-1:], 0)) for a, b in zip(english, other, strict=True)]
    marked = [a == b for a, b in ends if a or b]
    parts.extend(sum(part) / len(part) for part in (common, marked) if len(part) >= 10)
    return sum(parts) / len(parts)


def best_shift(english: Sequence[str], other: Sequence[str]) -> int:
    """Return by how many lines `other` stands too low (positive) or too high (negative); 0 where it is in place.

    A shift is believed only when it agrees clearly better than the lines as they stand.
    """
    n = len(english)
    if n < 50:
        return 0
    scores = {}
    for shift in SHIFTS:
        low, high = max(0, -shift), min(n, n - shift)
        scores[shift] = agreement(english[low:high], other[low + shift : high + shift])
    best = max(SHIFTS, key=lambda shift: (scores[shift], -abs(shift)))
    return best if scores[best] > scores[0] + _MARGIN and scores[best] > 2 * _MARGIN else 0


class MisalignmentCheck:
    """Look at windows of consecutive rows of one language of one input, as they stream by.

    Args:
        window: Rows looked at together.
        every: One window begins each so many rows.
    """

    def __init__(self, *, window: int = 400, every: int = 50_000) -> None:
        self._window, self._every = window, every
        self._count = 0
        self._english: list[str] = []
        self._other: list[str] = []
        self._first_line = 0
        self.windows = 0
        self.found: list[tuple[int, int, int]] = []

    def add(self, english: str, other: str, line: int) -> None:
        """Take the next row."""
        place = self._count % self._every
        self._count += 1
        if place < self._window:
            if place == 0:
                self._first_line = line
            self._english.append(english[:500])
            self._other.append(other[:500])
            if place == self._window - 1:
                self._look(line)

    def finish(self) -> None:
        """Look at the window that is not full."""
        if len(self._english) >= 50:
            self._look(self._first_line + len(self._english) - 1)

    def _look(self, last_line: int) -> None:
        self.windows += 1
        shift = best_shift(self._english, self._other)
        if shift:
            self.found.append((self._first_line, last_line, shift))
        self._english, self._other = [], []
