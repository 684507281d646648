"""Classification across languages."""

from __future__ import annotations

from typing import Any

import pytest

from mling_embed.errors import DataError
from mling_embed.evaluation.reporting.html import charts_of
from mling_embed.evaluation.runner import evaluate
from mling_embed.evaluation.tasks.classification import ClassificationTask
from mling_embed.evaluation.tasks.contract import TaskLabel

TRAIN = ["cats purr", "a cat purrs", "the cats purred", "dogs bark", "a dog barks", "the dogs barked"]
LABELS = ["cat"] * 3 + ["dog"] * 3
TEST = ["katten purr", "hond barks", "dogs", "a cat"]
TASK = ClassificationTask(
    TaskLabel("pets", "en-nl", ("en", "nl")),
    TRAIN,
    LABELS,
    TEST,
    ["cat", "dog", "cat", "cat"],
    TEST[:2],
    ["cat", "dog"],
)


def test_by_hand(trigrams: Any) -> None:
    report = evaluate(trigrams, TASK)
    (result,) = report
    # All four are told by their letters; the third is called a cat by whoever labelled it.
    assert (result.n, result.score, result.figures["majority"]) == (4, 0.75, 0.75)
    assert result.figures["macro_f1"] == pytest.approx((2 * 2 / (2 + 3) + 2 * 1 / (2 + 1)) / 2)
    assert result.figures["own_accuracy"] is not None
    assert result.figures["gap"] == pytest.approx(result.figures["own_accuracy"] - 0.75)
    assert result.scores.outcomes["accuracy"] == [1.0, 1.0, 0.0, 1.0]
    assert list(charts_of(report.results)[0].bars) == ["nl"]
    assert result.signature.endswith("|logistic-regression:C1,lbfgs")


def test_the_teachers_english_stands_beside(trigrams: Any, teacher: Any) -> None:
    english = ClassificationTask(TaskLabel("pets", "en-en", ("en", "en")), TRAIN, LABELS, TRAIN[::2], LABELS[::2])
    both = evaluate(trigrams, [english, TASK], teacher=teacher)
    assert [result.figures["teacher_english_accuracy"] for result in both] == [1.0, 1.0]
    assert both.results[0].figures["gap"] is None


def test_a_cap_keeps_rows_together() -> None:
    capped = TASK.capped(2)
    assert (capped.train_texts, capped.train_labels) == (["cats purr", "dogs bark"], ["cat", "dog"])
    assert (capped.test_texts, capped.test_labels) == (["katten purr", "dogs"], ["cat", "cat"])
    assert capped.own_texts == TEST[:2]


def test_what_is_refused() -> None:
    label = TASK.label
    with pytest.raises(DataError, match="6 train texts with 5 labels"):
        ClassificationTask(label, TRAIN, LABELS[:5], TEST, LABELS[:4])
    with pytest.raises(DataError, match=r"1 different labels to learn \(train\)"):
        ClassificationTask(label, TRAIN, ["cat"] * 6, TEST, LABELS[:4])
    with pytest.raises(DataError, match="no texts to test on"):
        ClassificationTask(label, TRAIN, LABELS, [], [])
