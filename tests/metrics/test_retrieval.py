"""Retrieval measures."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from mling_embed.errors import UsageError
from mling_embed.metrics.retrieval import Qrels, Run, retrieval_scores

QRELS = {"q1": {"a": 1, "b": 2}, "q2": {"c": 1}, "q3": {"d": 0}, "q4": {"e": -1}}
RUN = {"q1": ["x", "a", "b"]}


def mean(measure: str, run: Run = RUN, qrels: Qrels = QRELS) -> float:
    return retrieval_scores(run, qrels, [measure])[measure].mean


def test_by_hand() -> None:
    # q1: gains at ranks 2 and 3; q2 has no hits and counts as 0; q3 and q4 have nothing relevant and are not judged.
    gained = 1 / math.log2(3) + 2 / math.log2(4)
    best = 2 / math.log2(2) + 1 / math.log2(3)
    assert mean("nDCG@10") == pytest.approx(gained / best / 2)
    assert mean("RR") == pytest.approx(0.5 / 2)
    assert mean("R@2") == pytest.approx(0.5 / 2)
    assert mean("R@10") == pytest.approx(0.5)
    assert mean("AP") == pytest.approx((1 / 2 + 2 / 3) / 2 / 2)
    scores = retrieval_scores(RUN, QRELS, ["RR", "R@1"])
    assert scores["RR"].queries == ("q1", "q2")
    assert (scores["RR"].values, scores["R@1"].values) == ((0.5, 0.0), (0.0, 0.0))


def test_a_grade_below_zero_gains_nothing() -> None:
    assert mean("nDCG@10", {"q": ["a", "b"]}, {"q": {"a": -1, "b": 1}}) == pytest.approx(1 / math.log2(3))


def test_ndcg_parity_with_sklearn() -> None:
    rng = np.random.default_rng(0)
    grades, scores = rng.integers(0, 4, (5, 20)), rng.standard_normal((5, 20))
    run = {f"q{i}": [str(j) for j in np.argsort(-row)] for i, row in enumerate(scores)}
    qrels = {f"q{i}": {str(j): int(grade) for j, grade in enumerate(row)} for i, row in enumerate(grades)}
    assert mean("nDCG@10", run, qrels) == pytest.approx(ndcg_score(grades, scores, k=10))


def test_the_order_of_the_hits_is_kept_where_names_would_sort_otherwise() -> None:
    hits = [str(place) for place in range(300)]
    assert mean("RR", {"q": hits}, {"q": {"250": 1}}) == pytest.approx(1 / 251)
    assert mean("RR", {"q": hits[::-1]}, {"q": {"250": 1}}) == pytest.approx(1 / 50)


def test_a_perfect_run_scores_one() -> None:
    run, qrels = {"q": ["a", "b"]}, {"q": {"a": 1}}
    assert {mean(measure, run, qrels) for measure in ("nDCG@10", "RR", "R@1")} == {1.0}


def test_errors() -> None:
    with pytest.raises(UsageError, match="no query has a relevant passage"):
        mean("RR", {}, {"q": {"a": 0}})
    with pytest.raises(UsageError, match="query 'q': a passage occurs twice"):
        mean("RR", {"q": ["a", "a"]}, {"q": {"a": 1}})
    for measure in ("gain", "nDCG@ten", "RR(x=3)"):
        with pytest.raises(UsageError, match="no such measure"):
            mean(measure)
