"""Calibration: expected precision against the real one, and thresholds by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mling_embed.errors import DataError, UsageError
from mling_embed.mining.calibration import (
    ByGold,
    ByPrecision,
    Calibration,
    are_gold,
    best_f1_by_known,
    calibrate,
    read_gold,
    wrong_pairs,
)
from mling_embed.neighbors.margins import Margin
from mling_embed.neighbors.order import Neighbors
from mling_embed.neighbors.selection import Selection, select


@pytest.mark.parametrize("share", [0.2, 0.6, 0.9])
def test_the_expected_precision_of_a_known_mixture(share: float) -> None:
    drawn = np.random.default_rng(0)
    n_wrong = int(20_000 * share)
    right = drawn.normal(1.3, 0.1, 20_000 - n_wrong)
    scores = np.concatenate([drawn.normal(1.0, 0.1, n_wrong), right])
    found = calibrate(scores, drawn.normal(1.0, 0.1, 5_000))
    assert found.wrong_share == pytest.approx(share, abs=0.03)
    for threshold in (0.95, 1.1, 1.2, 1.3):
        real = np.sum(right >= threshold) / np.sum(scores >= threshold)
        assert found.precision_at(threshold) == pytest.approx(real, abs=0.03)
    at = found.threshold_for(0.9)
    assert np.sum(right >= at) / np.sum(scores >= at) == pytest.approx(0.9, abs=0.03)
    errors = [np.sum(scores >= each) - 2 * np.sum(right >= each) for each in np.linspace(0.8, 1.6, 81)]
    best = found.at_fewest_errors()
    assert np.sum(scores >= best) - 2 * np.sum(right >= best) <= min(errors) + 0.01 * len(scores)


def test_by_hand() -> None:
    found = Calibration(np.array([0.9, 0.8, 0.7, 0.6]), np.array([1.0, 1.0, 2 / 3, 0.5]), 0.5)
    assert [found.precision_at(each) for each in (0.95, 0.9, 0.85, 0.6, 0.1)] == [1, 1, 1, 0.5, 0.5]
    assert found.threshold_for(1.0) == 0.8
    assert found.threshold_for(0.6) == 0.7
    assert found.threshold_for(0.1) == 0.6
    assert found.at_best_f1() == 0.8
    assert found.at_fewest_errors() == 0.8
    assert Calibration(np.array([0.9]), np.array([0.2]), 0.8).at_fewest_errors() == np.inf
    nothing = Calibration(np.empty(0), np.empty(0), 0.0)
    assert (nothing.threshold_for(0.5), nothing.at_best_f1(), nothing.at_fewest_errors()) == (np.inf,) * 3
    assert nothing.precision_at(0.5) == 1


def test_all_wrong_and_all_right() -> None:
    scores = np.linspace(0, 1, 101)
    assert calibrate(scores, scores).wrong_share == 1
    assert calibrate(scores, scores).precision.max() <= 0.01
    right = calibrate(scores + 2, scores)
    assert right.wrong_share == 0
    assert right.precision.min() == 1


def test_one_wrong_pair_above_all_others_does_not_speak_for_them() -> None:
    # By hand: a fifth of the pairs lies where four fifths of the wrong ones do, so that a quarter is wrong. One wrong
    # pair of five above all makes 10 x 1/4 x 1/5 = 0.5, which is spread over the 8 pairs above the other wrong ones.
    scores = np.array([1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1])
    found = calibrate(scores, np.array([5.0, 0.2, 0.2, 0.1, 0.1]))
    assert found.wrong_share == pytest.approx(0.25)
    assert found.precision.tolist() == pytest.approx([1 - 0.5 / 8] * 8 + [1 - 1.5 / 9, 1 - 2.5 / 10])


def test_equal_margins_are_taken_together() -> None:
    found = calibrate(np.array([3.0, 2.0, 2.0, 1.0]), np.array([2.0, 1.0]))
    assert found.wrong_share == pytest.approx(0.5)
    assert found.precision.tolist() == pytest.approx([1, 2 / 3, 2 / 3, 1 / 2])


def test_without_wrong_pairs() -> None:
    with pytest.raises(UsageError, match="there are no wrong pairs to calibrate with"):
        calibrate(np.ones(3), np.empty(0))


def test_wrong_pairs_are_selected_without_the_right_ones() -> None:
    forward = Neighbors(np.array([[0, 1], [1, 0]]), np.array([[0.9, 0.3], [0.8, 0.2]]))
    backward = Neighbors(np.array([[0, 1], [1, 0]]), np.array([[0.9, 0.2], [0.8, 0.3]]))
    settings = {"margin": Margin.ABSOLUTE, "selection": Selection.MAX}
    right = select(forward, backward, **settings)
    assert list(zip(right.source.tolist(), right.target.tolist(), strict=True)) == [(0, 0), (1, 1)]
    wrong = wrong_pairs(forward, backward, right, 1, **settings)
    assert list(zip(wrong.source.tolist(), wrong.target.tolist(), strict=True)) == [(0, 1), (1, 0)]
    assert wrong.margins.tolist() == [0.3, 0.2]


def test_a_target_of_many_sources_loses_its_best_alone() -> None:
    forward = Neighbors(np.array([[0, 1], [0, 1], [0, 1]]), np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]]))
    backward = Neighbors(np.array([[0, 1], [2, 1]]), np.array([[0.9, 0.8], [0.3, 0.2]]))
    settings = {"margin": Margin.ABSOLUTE, "selection": Selection.FORWARD}
    wrong = wrong_pairs(forward, backward, select(forward, backward, **settings), 1, **settings)
    assert sorted(zip(wrong.source.tolist(), wrong.target.tolist(), strict=True)) == [(0, 1), (1, 1), (2, 1)]


def test_gold(tmp_path: Path) -> None:
    (tmp_path / "x.gold").write_bytes(b"\xef\xbb\xbfd1\te1\r\n\nd2\te2")
    gold = read_gold(tmp_path / "x.gold")
    assert gold == ByGold(frozenset({("d1", "e1"), ("d2", "e2")}))
    sources, targets = [("d1",), ("d9", "d2"), ("d1",)], [("e1", "e7"), ("e2",), ("e2",)]
    assert are_gold(gold, sources, targets).tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("data", "match"),
    [(b"", "no pairs"), (b"d1 e1\n", r":1: 1 cell"), (b"a\tb\na\tb\tc\n", r":2: 3 cell"), (b"a\t\n", r":1: 2 cell")],
)
def test_bad_gold(tmp_path: Path, data: bytes, match: str) -> None:
    (tmp_path / "x.gold").write_bytes(data)
    with pytest.raises(DataError, match=match):
        read_gold(tmp_path / "x.gold")


@pytest.mark.parametrize("precision", [0.0, -0.1, 1.01, float("nan")])
def test_a_precision_that_is_none(precision: float) -> None:
    with pytest.raises(UsageError, match="an expected precision of"):
        ByPrecision(precision)


def test_known_pairs_tell_the_recall() -> None:
    # Of 10 mined pairs half are right; of 3 known ones two were mined, so that there are 5 x 3 / 2 = 7.5 in all. Taking
    # 2, 4 or 10 of them finds 1/3, 2/3 and 2/3 of those: F1 is 2 x 2.5 / 9.5, 2 x 5 / 11.5 and 2 x 5 / 17.5.
    calibration = Calibration(np.arange(10.0, 0, -1), np.ones(10), 0.5)
    assert best_f1_by_known(calibration, np.array([9.0, 7.0]), 3) == 7.0
    with pytest.raises(UsageError, match="none of 3 known pairs was mined"):
        best_f1_by_known(calibration, np.empty(0), 3)
