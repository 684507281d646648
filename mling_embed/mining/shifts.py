"""Shifts: blocks of a parallel text in which one side stands some lines too low or too high, told by the vectors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jaxtyping import Float
from numpy import ndarray

MOST_LINES = 5
SHIFTS = tuple(shift for shift in range(-MOST_LINES, MOST_LINES + 1) if shift)
_LEAST_SUM = 16  # standard deviations: in a million pairs without a shift, one block in ten reaches it by chance
_LEAST_ROWS = 3


@dataclass(frozen=True, slots=True)
class ShiftedBlock:
    """Hold a run of pairs whose sides fit after a shift.

    Attributes:
        start: Its first pair.
        stop: The pair after its last.
        shift: The lines by which the translations stand too low; negative, too high.
    """

    start: int
    stop: int
    shift: int


def shifted_blocks(
    aligned: Float[ndarray, " n_pairs"], shifted: Float[ndarray, "n_pairs n_shifts"], spread: float
) -> list[ShiftedBlock]:
    """Find the blocks whose pairs fit better after a shift than as they stand.

    For each shift the gains in cosine, less a standard deviation of what unrelated sentences have, are cut into their
    maximal scoring runs (Ruzzo and Tompa 1999), which end where the shift ends,
    give or take a line.

    Args:
        aligned: Cosines of the pairs as they stand. Shape: (n_pairs,).
        shifted: Cosines of each source with the translation that many lines further, a column for each of `SHIFTS`;
            -1 where there is none. Shape: (n_pairs, n_shifts).
        spread: The standard deviation of the cosines of unrelated sentences.

    Returns:
        Blocks that do not overlap, in order.
    """
    found: list[tuple[float, ShiftedBlock]] = []
    for column, shift in enumerate(SHIFTS):
        gains = shifted[:, column] - aligned - spread
        for start, stop, total in maximal_runs(gains):
            if stop - start >= _LEAST_ROWS and total >= _LEAST_SUM * spread:
                found.append((total, ShiftedBlock(start, stop, shift)))
    chosen: list[ShiftedBlock] = []
    for _, block in sorted(found, key=lambda each: -each[0]):
        if all(block.stop <= other.start or other.stop <= block.start for other in chosen):
            chosen.append(block)
    return sorted(chosen, key=lambda block: block.start)


def maximal_runs(scores: Float[ndarray, " n"]) -> Iterator[tuple[int, int, float]]:
    """Yield the start, the stop and the sum of every maximal scoring run, in order (Ruzzo and Tompa 1999).

    >>> import numpy as np
    >>> [(start, stop) for start, stop, _ in maximal_runs(np.array([4.0, -5, 3, -3, 1, 2, -2, 2, -2, 1, 5]))]
    [(0, 1), (2, 3), (4, 11)]
    """
    runs: list[tuple[int, int, float, float]] = []  # start, stop, the sum before it, the sum at its end
    total = 0.0
    for place, score in enumerate(scores.tolist()):
        before, total = total, total + score
        if score <= 0:
            continue
        run = (place, place + 1, before, total)
        while True:
            lower = next((i for i in range(len(runs) - 1, -1, -1) if runs[i][2] < run[2]), None)
            if lower is None:  # the sum was never lower: what came before is settled
                yield from _settled(runs)
                runs = []
                break
            if runs[lower][3] >= run[3]:
                break
            run = (runs[lower][0], run[1], runs[lower][2], run[3])
            del runs[lower:]
        runs.append(run)
    yield from _settled(runs)


def _settled(runs: list[tuple[int, int, float, float]]) -> Iterator[tuple[int, int, float]]:
    for start, stop, before, after in runs:
        yield start, stop, after - before
