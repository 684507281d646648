"""The shapes of two languages."""

from __future__ import annotations

from typing import Any

import pytest

from mling_embed.errors import DataError
from mling_embed.evaluation.runner import evaluate
from mling_embed.evaluation.tasks.contract import TaskLabel
from mling_embed.evaluation.tasks.geometry import GeometryTask

LABEL = TaskLabel("shape", "nl-en", ("nl", "en"))
TEXTS = ["the cat", "a red house", "water is cold", "dogs bark", "two friends"]


def test_one_text_has_the_shape_of_itself(trigrams: Any) -> None:
    (result,) = evaluate(trigrams, GeometryTask(LABEL, TEXTS, TEXTS))
    assert result.score == pytest.approx(1.0)
    assert (result.figures["alignment"], result.figures["svg"]) == (0.0, 0.0)
    assert result.figures["uniformity"] == result.figures["target_uniformity"]
    assert result.figures["antihubs"] == 0.0  # all five are among the ten nearest
    assert len(GeometryTask(LABEL, TEXTS, TEXTS).capped(3).source_texts) == 3
    with pytest.raises(DataError, match="5 and 4 sentences"):
        GeometryTask(LABEL, TEXTS, TEXTS[:4])
