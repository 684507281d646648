"""Mining pairs from sides of which a part corresponds."""

from __future__ import annotations

from typing import Any

import pytest

from mling_embed.errors import DataError, UsageError
from mling_embed.evaluation.runner import evaluate
from mling_embed.evaluation.tasks.contract import TaskLabel
from mling_embed.evaluation.tasks.mining import MiningTask

LABEL = TaskLabel("mine", "nl-en", ("nl", "en"))
HERE = ["the cat sleeps", "12345 67890", "a red house", "zzz qqq"]
THERE = ["a red house now", "the cat sleeps now", "fig"]


def test_by_hand(trigrams: Any) -> None:
    (result,) = evaluate(trigrams, MiningTask(LABEL, HERE, THERE, [(0, 1), (2, 0)]))
    # Each half has a right pair, and one that is like none: at the other half's threshold only the right ones stay.
    assert (result.n, result.score) == (2, 1.0)
    assert (result.figures["precision"], result.figures["recall"]) == (1.0, 1.0)


def test_the_counterpart_of_a_kept_sentence_is_kept() -> None:
    task = MiningTask(LABEL, HERE, ["fig", "plum", *THERE[:2]], [(0, 3), (2, 2)])
    capped = task.capped(3)  # sources 0, 1, 2; of the targets both counterparts and one more
    assert (capped.source_texts, capped.target_texts) == (HERE[:3], ["fig", *THERE[:2]])
    assert capped.gold == [(0, 2), (2, 1)]
    with pytest.raises(UsageError, match="a limit of 1 texts leaves a half of the sources without a gold pair"):
        task.capped(1)


def test_what_is_refused() -> None:
    with pytest.raises(DataError, match="a gold pair of a sentence that is not there"):
        MiningTask(LABEL, HERE, THERE, [(0, 3), (2, 0)])
    with pytest.raises(DataError, match="each needs a gold pair"):
        MiningTask(LABEL, HERE, THERE, [(0, 1), (1, 0)])
