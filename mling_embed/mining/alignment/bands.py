"""Bands: the cells of the table of two documents that are looked at, around a path that a coarser table gave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

Path = Sequence[tuple[int, int]]
"""Cells of a way from (0, 0) to the last cell, both numbers never falling."""


@dataclass(frozen=True, slots=True)
class Band:
    """Hold for each row, a number of source sentences before it, the first and last column of the band.

    Attributes:
        low: First column of each row, never falling. Shape: (n_source + 1,).
        high: Last column of each row, never falling. Shape: (n_source + 1,).
    """

    low: Int64[ndarray, " rows"]
    high: Int64[ndarray, " rows"]

    @property
    def starts(self) -> Int64[ndarray, " _"]:
        """Return where each row's cells begin among all, and at the end their number. Shape: (n_source + 2,)."""
        return np.concatenate([[0], np.cumsum(self.high - self.low + 1)])


def whole_band(n_source: int, n_target: int) -> Band:
    """Return the band that holds every cell."""
    rows = n_source + 1
    return Band(np.zeros(rows, dtype=np.int64), np.full(rows, n_target, dtype=np.int64))


def band_around(path: Path, n_source: int, n_target: int, width: int) -> Band:
    """Return the cells that are at most `width` rows and columns away from a path.

    >>> band = band_around([(0, 0), (1, 1), (2, 2), (3, 3)], 3, 3, 1)
    >>> band.low.tolist(), band.high.tolist()
    ([0, 0, 0, 1], [2, 3, 3, 3])
    """
    low = np.full(n_source + 1, n_target, dtype=np.int64)
    high = np.zeros(n_source + 1, dtype=np.int64)
    for (row, column), (next_row, next_column) in zip(path, [*path[1:], path[-1]], strict=True):
        steps = max(next_row - row, 1)
        for step in range(steps + 1):  # a straight line from cell to cell
            at = row + min(step, next_row - row)
            here = column + (next_column - column) * step // steps
            low[at], high[at] = min(low[at], here), max(high[at], here)
    rows = np.arange(n_source + 1)
    low = low[np.maximum(rows - width, 0)] - width
    high = high[np.minimum(rows + width, n_source)] + width
    return Band(np.maximum(low, 0), np.minimum(high, n_target))


def finer_path(path: Path, n_source: int, n_target: int) -> list[tuple[int, int]]:
    """Return a path of documents with half the rows and columns as one of the whole documents."""
    doubled = [(min(2 * row, n_source), min(2 * column, n_target)) for row, column in path]
    return [*doubled, (n_source, n_target)]
