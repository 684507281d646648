"""Retrieval measures."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from mling_embed.errors import UsageError
from mling_embed.metrics.retrieval import mrr, ndcg, recall

QRELS = {"q1": {"a": 1.0, "b": 2.0}, "q2": {"c": 1.0}, "q3": {"d": 0.0}}
RUN = {"q1": ["x", "a", "b"]}


def test_by_hand() -> None:
    # q1: gains at ranks 2 and 3; q2 has no hits and counts as 0; q3 has nothing relevant and is not judged.
    gained = 1 / math.log2(3) + 2 / math.log2(4)
    best = 2 / math.log2(2) + 1 / math.log2(3)
    assert ndcg(RUN, QRELS) == pytest.approx(gained / best / 2)
    assert mrr(RUN, QRELS) == pytest.approx(0.5 / 2)
    assert mrr(RUN, QRELS, k=1) == 0.0
    assert recall(RUN, QRELS, k=2) == pytest.approx(0.5 / 2)
    assert recall(RUN, QRELS) == pytest.approx(0.5)


def test_ndcg_parity_with_sklearn() -> None:
    rng = np.random.default_rng(0)
    grades, scores = rng.integers(0, 4, (5, 20)), rng.standard_normal((5, 20))
    run = {f"q{i}": [str(j) for j in np.argsort(-row)] for i, row in enumerate(scores)}
    qrels = {f"q{i}": {str(j): float(grade) for j, grade in enumerate(row)} for i, row in enumerate(grades)}
    assert ndcg(run, qrels) == pytest.approx(ndcg_score(grades, scores, k=10))


def test_a_perfect_run_scores_one() -> None:
    run, qrels = {"q": ["a", "b"]}, {"q": {"a": 1.0}}
    assert ndcg(run, qrels) == mrr(run, qrels) == recall(run, qrels, k=1) == 1.0


def test_errors() -> None:
    with pytest.raises(UsageError, match="no query has a relevant passage"):
        ndcg({}, {"q": {"a": 0.0}})
    with pytest.raises(UsageError, match="query 'q': a passage occurs twice"):
        mrr({"q": ["a", "a"]}, {"q": {"a": 1.0}})
