"""Candidates, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from mling_embed.mining.candidates import all_candidates, paraphrase_candidates, ranks_among
from mling_embed.neighbors.margins import Margin
from mling_embed.neighbors.order import Neighbors

FORWARD = Neighbors(np.array([[1, 0], [1, 2]]), np.array([[0.9, 0.5], [0.8, 0.6]]))
BACKWARD = Neighbors(np.array([[0], [0], [1]]), np.array([[0.5], [0.9], [0.6]]))


def test_each_pair_once_best_margin_first() -> None:
    found = all_candidates(FORWARD, BACKWARD, margin=Margin.DISTANCE)
    # a = .7, .7; b = .5, .9, .6. Margins: (0,1) .9-.8; (0,0) .5-.6; (1,1) .8-.8; (1,2) .6-.65.
    assert list(zip(found.source.tolist(), found.target.tolist(), strict=True)) == [(0, 1), (1, 1), (1, 2), (0, 0)]
    assert found.margins.tolist() == pytest.approx([0.1, 0, -0.05, -0.1])
    assert found.cosines.tolist() == [0.9, 0.8, 0.6, 0.5]


def test_ranks() -> None:
    assert ranks_among(FORWARD, np.array([0, 0, 1]), np.array([0, 2, 1])).tolist() == [2, 0, 1]
    empty = Neighbors(np.empty((2, 0), dtype=np.int64), np.empty((2, 0)))
    assert ranks_among(empty, np.array([1]), np.array([0])).tolist() == [0]


def test_paraphrases_come_once_and_the_lower_row_first() -> None:
    neighbors = Neighbors(np.array([[2], [2], [0]]), np.array([[0.9], [0.4], [0.9]]))
    found = paraphrase_candidates(neighbors, margin=Margin.ABSOLUTE)
    assert list(zip(found.source.tolist(), found.target.tolist(), strict=True)) == [(0, 2), (1, 2)]
    ratio = paraphrase_candidates(neighbors, margin=Margin.RATIO)
    assert ratio.margins.tolist() == pytest.approx([1, 0.4 / 0.65])


@pytest.mark.parametrize("n", [0, 1])
def test_none(n: int) -> None:
    nothing = Neighbors(np.empty((n, 0), dtype=np.int64), np.empty((n, 0)))
    assert len(all_candidates(nothing, nothing, margin=Margin.RATIO)) == 0
    assert len(paraphrase_candidates(nothing, margin=Margin.RATIO)) == 0
