"""Shifted blocks, by hand and drawn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mling_embed.mining.shifts import SHIFTS, ShiftedBlock, maximal_runs, shifted_blocks


def brute_force(scores: list[int]) -> list[tuple[int, int]]:
    """Take the best run again and again, the shortest of equal ones, from what is left on both its sides."""
    if not scores or max(scores) <= 0:
        return []
    runs = [(start, stop) for start in range(len(scores)) for stop in range(start + 1, len(scores) + 1)]
    start, stop = max(runs, key=lambda run: (sum(scores[run[0] : run[1]]), run[0] - run[1], -run[0]))
    rest = [(a + stop, b + stop) for a, b in brute_force(scores[stop:])]
    return [*brute_force(scores[:start]), (start, stop), *rest]


@settings(max_examples=200)
@given(st.lists(st.sampled_from([-7, -5, -3, -2, 1, 2, 4, 8, 16]), max_size=9))
def test_runs_are_the_maximal_ones(scores: list[int]) -> None:
    found = list(maximal_runs(np.array(scores, dtype=np.float64)))
    assert [total for start, stop, total in found] == [sum(scores[start:stop]) for start, stop, _ in found]
    assert sum(total for *_, total in found) == sum(sum(scores[a:b]) for a, b in brute_force(scores))


def drawn(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    noise = np.random.default_rng(seed)
    return noise.normal(0.7, 0.05, n), noise.normal(0.1, 0.05, (n, len(SHIFTS)))


@pytest.mark.parametrize("shift", SHIFTS)
def test_the_block_ends_where_the_shift_ends(shift: int) -> None:
    aligned, shifted = drawn(200)
    block = slice(60, 140)
    aligned[block], shifted[block, SHIFTS.index(shift)] = shifted[block, 0].copy(), aligned[block].copy()
    assert shifted_blocks(aligned, shifted, 0.05) == [ShiftedBlock(60, 140, shift)]


def test_aligned_and_unrelated_lines_are_no_shift() -> None:
    aligned, shifted = drawn(2000)
    assert shifted_blocks(aligned, shifted, 0.05) == []
    assert shifted_blocks(shifted[:, 3], shifted, 0.05) == []
    assert shifted_blocks(np.empty(0), np.empty((0, len(SHIFTS))), 0.0) == []


def test_equal_lines_are_no_shift() -> None:
    assert shifted_blocks(np.ones(50), np.ones((50, len(SHIFTS))), 0.0) == []
