"""Two encoders on the same tasks."""

from __future__ import annotations

from typing import Any

import pytest

from mling_embed.errors import UsageError
from mling_embed.evaluation.comparison import Verdict, compare
from mling_embed.evaluation.reporting.records import KEYS
from mling_embed.evaluation.runner import evaluate
from mling_embed.evaluation.tasks.bitext import BitextTask
from mling_embed.evaluation.tasks.contract import TaskLabel
from mling_embed.evaluation.tasks.geometry import GeometryTask
from mling_embed.evaluation.tasks.sts import StsTask

WORDS = [f"{a}{b}{c}" for a in "katzeb" for b in "hund" for c in "axy"]
BITEXT = BitextTask(TaskLabel("mini", "nl-en", ("nl", "en")), WORDS, [word[::-1] for word in WORDS])
SAME = BitextTask(TaskLabel("mini", "en-en", ("en", "en")), WORDS[:20], WORDS[:20])
STS = StsTask(TaskLabel("mini-sts", "en-nl", ("en", "nl")), WORDS[:30], WORDS[1:31], [float(n % 5) for n in range(30)])
SHAPE = GeometryTask(TaskLabel("mini-shape", "nl-en", ("nl", "en")), WORDS[:9], WORDS[1:10])


class Letters:
    """Encode a word as the letters that it has, in no order."""

    def encode(self, texts: list[str]) -> Any:
        import numpy as np

        return np.array([[text.count(letter) + 0.01 for letter in "abcdehknotuxyz"] for text in texts], dtype="float32")


def test_better_worse_and_tied(trigrams: Any) -> None:
    tasks = [BITEXT, SAME, STS, SHAPE]
    letters, order = (
        evaluate(model, tasks, name=name) for name, model in (("letters", Letters()), ("order", trigrams))
    )
    found = compare(letters, order)
    assert [row.result.label.suite for row in found.rows] == ["mini", "mini", "mini-sts"]  # shapes have no items
    backwards, same, _ = found.rows
    assert (backwards.figure, backwards.verdict) == ("safe_accuracy", Verdict.BETTER)
    assert backwards.p == 0.0001
    assert backwards.adjusted_p == pytest.approx(0.0003)
    assert backwards.interval.low <= backwards.difference <= backwards.interval.high
    assert same.verdict is Verdict.TIED
    assert compare(order, letters).rows[0].verdict is Verdict.WORSE
    assert str(found).splitlines()[0] == "letters beside order"
    assert str(found).splitlines()[-1].split() == ["all", "1", "better,", "0", "worse,", "2", "tied"]


def test_records_have_the_keys_of_results(trigrams: Any) -> None:
    report = evaluate(trigrams, SAME, name="order")
    (record,) = compare(report, report).records()
    assert tuple(record) == KEYS
    assert (record["kind"], record["model"], record["score"]) == ("comparison", "order - order", 0.0)
    assert record["figures"] == {"p": 1.0, "p_holm": 1.0, "verdict": "tied"}


def test_other_data_cannot_be_compared(trigrams: Any) -> None:
    one = evaluate(trigrams, SAME)
    with pytest.raises(UsageError, match="1 tasks against 2"):
        compare(one, evaluate(trigrams, [SAME, STS]))
    with pytest.raises(UsageError, match="not measured on the same data"):
        compare(one, evaluate(trigrams, SAME.capped(5)))
