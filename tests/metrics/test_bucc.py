"""BUCC's F1, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mling_embed.errors import UsageError
from mling_embed.metrics.bucc import best_threshold, bucc_scores, gold_rows, unrepeated_rows

SCORES = np.array([0.9, 0.5, 0.8, 0.6, 0.7])  # in falling order: right, wrong, right, right, wrong
CORRECT = np.array([True, False, False, True, True])


def test_by_hand() -> None:
    # Prefixes: 1/1 of 4 -> F1 2/5; 1/2 -> 2/6; 2/3 -> 4/7; 3/4 -> 6/8; 3/5 -> 6/9.
    assert best_threshold(SCORES, CORRECT, 4) == pytest.approx(0.55)
    scores = bucc_scores(SCORES, CORRECT, 4, threshold=0.55)
    assert (scores.n_mined, scores.n_correct) == (4, 3)
    assert (scores.precision, scores.recall, scores.f1) == (0.75, 0.75, 0.75)


def test_a_pair_at_the_threshold_is_taken() -> None:
    assert bucc_scores(SCORES, CORRECT, 4, threshold=0.7).n_mined == 3
    assert bucc_scores(SCORES, CORRECT, 4, threshold=np.nextafter(0.7, 1)).n_mined == 2


def test_after_the_last_score_comes_none() -> None:
    assert best_threshold(np.array([0.3, 0.2]), np.array([True, True]), 2) == 0.2


def test_equal_scores_are_taken_together() -> None:
    # Alone the first would be perfect, but no threshold parts it from its equal.
    assert best_threshold(np.array([0.5, 0.5, 0.1]), np.array([True, False, False]), 1) == pytest.approx(0.3)


def test_nothing_correct_takes_nothing() -> None:
    assert best_threshold(np.array([0.5]), np.array([False]), 1) == np.inf
    assert best_threshold(np.empty(0), np.empty(0, dtype=bool), 1) == np.inf
    nothing = bucc_scores(np.empty(0), np.empty(0, dtype=bool), 3, threshold=0.0)
    assert (nothing.precision, nothing.recall, nothing.f1) == (0, 0, 0)


@pytest.mark.parametrize("n_gold", [0, -1])
def test_without_gold(n_gold: int) -> None:
    with pytest.raises(UsageError, match="there are no gold pairs"):
        best_threshold(SCORES, CORRECT, n_gold)
    with pytest.raises(UsageError, match="there are no gold pairs"):
        bucc_scores(SCORES, CORRECT, n_gold, threshold=0.0)


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=12))
def test_no_threshold_is_better(pairs: list[tuple[int, bool]]) -> None:
    scores = np.array([score / 8 for score, _ in pairs])
    correct = np.array([right for _, right in pairs])
    n_gold = max(int(correct.sum()), 1)
    found = bucc_scores(scores, correct, n_gold, threshold=best_threshold(scores, correct, n_gold)).f1
    assert found == max(bucc_scores(scores, correct, n_gold, threshold=each).f1 for each in [*scores, np.inf])


def test_texts_that_stand_twice_are_left_out() -> None:
    assert unrepeated_rows(["a", "b", "a", "c"]).tolist() == [1, 3]


def test_gold_ids_as_rows() -> None:
    gold = {("d2", "e1"), ("d1", "e2"), ("d9", "e1")}
    assert gold_rows(gold, ["d1", "d2"], ["e1", "e2"]).tolist() == [[0, 1], [1, 0]]
    assert gold_rows(set(), ["d1"], ["e1"]).shape == (0, 2)
