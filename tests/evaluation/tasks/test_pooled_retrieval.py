"""Retrieval from a pool of many languages."""

from __future__ import annotations

import math
from typing import Any

import pytest

from mling_embed.errors import DataError
from mling_embed.evaluation.reporting.html import charts_of
from mling_embed.evaluation.runner import evaluate
from mling_embed.evaluation.tasks.contract import TaskLabel
from mling_embed.evaluation.tasks.pooled_retrieval import PooledRetrievalTask

LABEL = TaskLabel("pool", "nl-mul", ("nl", "mul"))
PASSAGES = {"en-0": "the cat sleeps", "en-1": "water is cold", "nl-0": "de kat slaapt", "nl-1": "koud is het water"}
LANGUAGES = {name: name[:2] for name in PASSAGES}
RIGHT = {"q": ["en-0", "nl-0"]}


def test_by_hand(trigrams: Any) -> None:
    task = PooledRetrievalTask(LABEL, PASSAGES, LANGUAGES, {"q": "de kat slaapt"}, RIGHT)
    report = evaluate(trigrams, task, teacher=trigrams)
    (result,) = report
    # The same text first, then by shared trigrams: water (koud) is Dutch, and shares "de"-like ends with no other.
    vectors = {name: trigrams.encode(text) for name, text in PASSAGES.items()}
    query = trigrams.encode("de kat slaapt")
    order = sorted(PASSAGES, key=lambda name: -(vectors[name] @ query) / (vectors[name] @ vectors[name]) ** 0.5)
    second = order.index("en-0") + 1
    assert order[0] == "nl-0"
    assert result.score == pytest.approx((1 + 2 / second) / 2)
    assert result.figures["max_rank"] == second
    assert result.figures["ndcg_at_10"] == pytest.approx((1 + 1 / math.log2(second + 1)) / (1 + 1 / math.log2(3)))
    assert (result.figures["own_language_at_10"], result.figures["top10_en"]) == (0.5, 0.5)
    assert result.scores.outcomes["max_rank"] == [second]
    assert list(charts_of(report.results)[0].bars) == ["nl"]
    assert result.figures["preference_rate"] == 1.0  # its own stands first
    assert result.figures["language_ndcg_at_10"] == pytest.approx(
        (2 + 1 / math.log2(second + 1)) / (2 + 1 / math.log2(3))
    )
    assert result.figures["oracle_map"] == 1.0  # each language's right answer is its first
    assert report.tables()[0].header == (
        "task", "n", "mAP", "low", "high", "nDCG@10", "Max@R", "own language @10",
        "LPR", "lang nDCG@10", "oracle mAP",
    )  # fmt: skip


def test_what_is_refused() -> None:
    with pytest.raises(DataError, match="pool nl-mul: 0 passages and 1 queries"):
        PooledRetrievalTask(LABEL, {}, {}, {"q": "x"}, RIGHT)
    with pytest.raises(DataError, match="passage 'nl-1' has no language"):
        PooledRetrievalTask(LABEL, PASSAGES, {k: v for k, v in LANGUAGES.items() if k != "nl-1"}, {"q": "x"}, RIGHT)
    for right in ({}, {"q": []}, {"q": ["fr-0"]}):
        with pytest.raises(DataError, match="query 'q' has no right answer, or one that is not in the pool"):
            PooledRetrievalTask(LABEL, PASSAGES, LANGUAGES, {"q": "x"}, right)
