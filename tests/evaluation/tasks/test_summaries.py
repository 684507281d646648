"""Summaries of translations of one text."""

from __future__ import annotations

from typing import Any

import pytest

from mling_embed.errors import DataError
from mling_embed.evaluation.runner import evaluate
from mling_embed.evaluation.tasks.contract import TaskLabel
from mling_embed.evaluation.tasks.summaries import SummariesTask

LABEL = TaskLabel("summaries", "nl-en", ("nl", "en"))
STORY = ["the river is high", "the river is very high in the town", "cats sleep", "the town is high", "bread"]
BEADS = [0, 1, 2, 3, 4]


def test_the_same_text_gives_the_same_summary(trigrams: Any) -> None:
    task = SummariesTask(LABEL, [STORY, STORY], [STORY, STORY[::-1]], [BEADS, BEADS], [BEADS, BEADS[::-1]])
    (result,) = evaluate(trigrams, task)
    assert (result.n, result.score) == (2, 1.0)
    # One sentence of five is drawn: by chance the same one of the other side with 1/5.
    assert result.figures["chance"] == pytest.approx(0.2)
    assert result.figures["lead_agreement"] == 0.5  # the second text begins at its end
    assert result.figures["centrality_spearman"] == pytest.approx(1.0)


def test_a_cap_keeps_whole_documents() -> None:
    task = SummariesTask(LABEL, [STORY] * 3, [STORY] * 3, [BEADS] * 3, [BEADS] * 3)
    assert len(task.capped(10).source_documents) == 2
    assert len(task.capped(1).source_beads) == 1


def test_what_is_refused() -> None:
    with pytest.raises(DataError, match="1 and 0 documents"):
        SummariesTask(LABEL, [STORY], [], [BEADS], [])
    with pytest.raises(DataError, match="other numbers of sentences and beads"):
        SummariesTask(LABEL, [STORY], [STORY], [BEADS], [BEADS[:3]])
    with pytest.raises(DataError, match="fewer than two sentences"):
        SummariesTask(LABEL, [STORY[:1]], [STORY], [[0]], [BEADS])
