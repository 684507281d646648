"""Agreement of choices, and of what chance would choose."""

from __future__ import annotations

from itertools import combinations

import pytest

from mling_embed.errors import UsageError
from mling_embed.metrics.agreement import bead_overlap, chance_overlap


def test_by_hand() -> None:
    assert bead_overlap([0, 2], [0, 1]) == 0.5
    assert bead_overlap([0, 0], [0]) == 1.0  # two sentences that one translates
    assert bead_overlap([-1], [-1]) == 0.0
    with pytest.raises(UsageError, match="nothing was chosen"):
        bead_overlap([], [])


def test_chance_is_the_mean_over_all_choices() -> None:
    source, target = [0, 0, 1, 2, -1], [0, 1, 1, 3]
    every = [
        bead_overlap([source[place] for place in one], [target[place] for place in other])
        for one in combinations(range(5), 2)
        for other in combinations(range(4), 3)
    ]
    assert chance_overlap(source, target, 2, 3) == pytest.approx(sum(every) / len(every), abs=1e-12)
    with pytest.raises(UsageError, match="6 of 5 and 1 of 4 sentences cannot be drawn"):
        chance_overlap(source, target, 6, 1)
