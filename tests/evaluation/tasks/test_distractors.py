"""Translations among changed versions of them."""

from __future__ import annotations

from typing import Any

import pytest

from mling_embed.errors import DataError
from mling_embed.evaluation.runner import evaluate
from mling_embed.evaluation.tasks.contract import TaskLabel
from mling_embed.evaluation.tasks.distractors import DistractorsTask
from mling_embed.evaluation.written_distractors import Change, Distractor

LABEL = TaskLabel("changed", "nl-en", ("nl", "en"))
TASK = DistractorsTask(
    LABEL,
    ["de kat slaapt", "twee honden", "water is koud"],
    ["de kat slaapt nu", "two dogs bark", "water is cold"],
    [
        Distractor("de kat slaapt niet meer", 0, Change.CAUSALITY),
        Distractor("twee honden", 1, Change.NUMBER),
        Distractor("three dogs bark", 1, Change.NUMBER),
    ],
)


def test_by_hand(trigrams: Any) -> None:
    (result,) = evaluate(trigrams, TASK)
    assert (result.n, result.score) == (2, 0.5)  # the third has no distractor
    assert result.scores.outcomes["accuracy"] == [1.0, 0.0]
    assert result.figures["xsimpp"] == pytest.approx(100 / 3)
    assert result.figures["xsimpp_number"] == pytest.approx(100 / 3)
    assert (result.figures["xsimpp_entity"], result.figures["xsimpp_misaligned"]) == (0.0, 0.0)
    capped = TASK.capped(2)
    assert [each.row for each in capped.distractors] == [0, 1, 1]


def test_what_is_refused() -> None:
    with pytest.raises(DataError, match="1 and 1 sentences with 0 distractors"):
        DistractorsTask(LABEL, ["a"], ["b"], [])
    with pytest.raises(DataError, match="a sentence that is not there"):
        DistractorsTask(LABEL, ["a"], ["b"], [Distractor("c", 1, Change.ENTITY)])
