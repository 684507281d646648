"""Bilingual dictionaries."""

from __future__ import annotations

from typing import Any

import pytest

from mling_embed.errors import DataError
from mling_embed.evaluation.reporting.html import charts_of
from mling_embed.evaluation.runner import evaluate
from mling_embed.evaluation.tasks.contract import TaskLabel
from mling_embed.evaluation.tasks.dictionary import DictionaryTask

LABEL = TaskLabel("words", "en-nl", ("en", "nl"))
POOL = ["water", "kat", "huis", "poes", "hand"]
TASK = DictionaryTask(LABEL, ["water", "cat", "hand"], [["water"], ["poes", "kat"], ["huis"]], POOL)


def test_by_hand(trigrams: Any) -> None:
    report = evaluate(trigrams, TASK)
    (result,) = report
    # water and hand are themselves in Dutch; hand is searched for as a house, and is third at best.
    assert result.scores.outcomes["precision_at_1"][0] == 1.0
    assert result.scores.outcomes["precision_at_1"][2] == 0.0
    assert result.figures["precision_at_5"] == 1.0  # all five words are found
    assert result.score == result.figures["csls_precision_at_1"]
    assert charts_of(report.results)[0].bars == {"nl": [result.score, None]}
    assert report.tables()[0].title == "words from English"


def test_a_cap_keeps_the_translations() -> None:
    capped = TASK.capped(1)
    assert (capped.words, capped.translations, capped.pool) == (["water"], [["water"]], ["water"])
    assert TASK.capped(2).pool == ["water", "kat", "poes"]


def test_what_is_refused() -> None:
    with pytest.raises(DataError, match="'cat' has no translation, or one that is not searched"):
        DictionaryTask(LABEL, ["cat"], [["tijger"]], POOL)
    with pytest.raises(DataError, match="a word occurs twice"):
        DictionaryTask(LABEL, ["cat", "cat"], [["kat"], ["kat"]], POOL)
    with pytest.raises(DataError, match="1 words with 0 entries"):
        DictionaryTask(LABEL, ["cat"], [], POOL)
