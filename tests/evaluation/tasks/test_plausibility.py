"""Choice of plausible alternatives."""

from __future__ import annotations

from typing import Any

import pytest

from mling_embed.errors import DataError
from mling_embed.evaluation.runner import evaluate
from mling_embed.evaluation.tasks.contract import TaskLabel
from mling_embed.evaluation.tasks.plausibility import PlausibilityTask

LABEL = TaskLabel("copa", "nl-nl", ("nl", "nl"))
TASK = PlausibilityTask(
    LABEL,
    ["de kat slaapt", "de kat slaapt", "het regent"],
    ["de kat slaapt nu", "een hond", "zon"],
    ["een hond", "de kat slaapt nu", "zon"],
    [0, 0, 1],
)


def test_by_hand(trigrams: Any) -> None:
    (result,) = evaluate(trigrams, TASK)
    assert result.scores.outcomes["accuracy"] == [1.0, 0.0, 0.0]  # of equal alternatives neither is nearer
    assert (result.n, result.score, result.figures["chance"]) == (3, pytest.approx(1 / 3), 0.5)
    assert TASK.capped(1).premises == ["de kat slaapt"]


def test_what_is_refused() -> None:
    with pytest.raises(DataError, match=r"columns of \(1, 1, 2, 1\) rows"):
        PlausibilityTask(LABEL, ["a"], ["b"], ["c", "d"], [0])
    with pytest.raises(DataError, match="alternative 2; expected 0 or 1"):
        PlausibilityTask(LABEL, ["a"], ["b"], ["c"], [2])
