"""Pairs of many languages ranked together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.stats

from mling_embed.errors import DataError
from mling_embed.evaluation.runner import evaluate
from mling_embed.evaluation.tasks.contract import TaskLabel
from mling_embed.evaluation.tasks.mixed_similarity import MixedSimilarityTask

LABEL = TaskLabel("mixed", "mul-mul", ("mul", "mul"))
FIRST = ["the cat sleeps", "the cat sleeps", "the cat sleeps"] * 2
SECOND = ["the cat sleeps", "the cat barks", "zzz qqq", "de cat slaapt", "de cat blaft", "xxx"]
SCORES = [5.0, 3.0, 0.0, 5.0, 3.0, 0.0]
PAIRS = ["en-en"] * 3 + ["en-nl"] * 3


def test_by_hand(trigrams: Any) -> None:
    (result,) = evaluate(trigrams, MixedSimilarityTask(LABEL, FIRST, SECOND, SCORES, PAIRS))
    one, other = (trigrams.encode(side) for side in (FIRST, SECOND))
    cosines = (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    assert result.score == pytest.approx(scipy.stats.spearmanr(cosines, SCORES).statistic, abs=1e-6)
    assert result.figures["separate_spearman"] == pytest.approx(1.0)
    assert result.figures["language_bias"] == pytest.approx(1.0 - result.score)


def test_a_cap_is_of_each_language_pair() -> None:
    capped = MixedSimilarityTask(LABEL, FIRST, SECOND, SCORES, PAIRS).capped(2)
    assert capped.pairs == ["en-en", "en-en", "en-nl", "en-nl"]
    with pytest.raises(DataError, match="'en-nl' has fewer than two different scores"):
        MixedSimilarityTask(LABEL, FIRST[:4], SECOND[:4], SCORES[:4], PAIRS[:4])
