"""What a report shows beside bars and tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mling_embed.errors import UsageError
from mling_embed.evaluation.exhibits import histogram, point_map
from mling_embed.evaluation.reporting.exhibits_of import data_table, heat_maps, worst_mistakes
from mling_embed.evaluation.reporting.html import render_report
from mling_embed.evaluation.reporting.losses import loss_table
from mling_embed.evaluation.runner import evaluate
from mling_embed.evaluation.tasks.bitext import BitextTask
from mling_embed.evaluation.tasks.contract import TaskLabel, TaskResult
from mling_embed.evaluation.tasks.retrieval import RetrievalTask

ENGLISH = ["the cat sleeps", "a red house", "water is cold", "dogs bark"]
SIDES = {
    "nl": ["de kat slaapt", "een rood huis", "het water is koud", "the cat sleeps now"],
    "de": ["die katze", "ein rotes haus", "wasser ist kalt", "hunde bellen"],
    "sv": ["katten sover", "ett rött hus", "vattnet är kallt", "hundar skäller"],
}
BITEXT = [BitextTask(TaskLabel("mini", f"{code}-en", (code, "en")), side, ENGLISH) for code, side in SIDES.items()]


def questions(query: str, passage: str) -> RetrievalTask:
    texts = {"en": ENGLISH, **SIDES}
    label = TaskLabel("pairs", f"{query}-{passage}", (query, passage))
    passages = {str(row): text for row, text in enumerate(texts[passage])}
    return RetrievalTask(label, passages, {"q": texts[query][1]}, {"q": {"1": 1}})


def test_a_histogram_by_hand() -> None:
    found = histogram("t", "c", {"true": [0.9, 1.0, 1.5], "other": [-0.9, 0.3]}, low=0.0, high=1.0, n_bins=2)
    assert found.edges == (0.0, 0.5, 1.0)
    assert found.series == {"true": (0.0, 1.0), "other": (1.0, 0.0)}
    assert found.highest() == 1.0
    with pytest.raises(UsageError, match="a series without values"):
        histogram("t", "c", {"true": []}, low=0.0, high=1.0)


def test_a_map_is_of_the_principal_components() -> None:
    rows = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    found = point_map("t", "c", ["a", "b"], {"en": rows, "nl": rows * 3})
    assert [(point.language, point.sentence) for point in found.points] == [("en", 0), ("en", 1), ("nl", 0), ("nl", 1)]
    first, second, *others = found.points
    assert {first.x, second.x} == {0.0, 1.0}
    assert [(point.x, point.y) for point in others] == [(first.x, first.y), (second.x, second.y)]


def test_a_mistake_is_shown_with_what_was_right(trigrams: Any) -> None:
    report = evaluate(trigrams, BITEXT)
    worst = worst_mistakes(report.results)[0]
    assert (worst.language, worst.text, worst.expected, worst.found) == (
        "nl",
        "the cat sleeps now",
        "dogs bark",
        "the cat sleeps",
    )
    assert worst.gap == pytest.approx(worst.found_score - worst.expected_score)
    assert report.sentence_map is not None
    assert {point.language for point in report.sentence_map.points} == {"en", "nl", "de", "sv"}
    page = render_report(report.page())
    for text in ("Worst mistakes", "Similarity of true and of random pairs", "One set of sentences in 4 languages"):
        assert text in page


def test_every_language_pair(trigrams: Any) -> None:
    languages = ("en", "nl", "de")
    report = evaluate(trigrams, [questions(query, passage) for query in languages for passage in languages])
    (found,) = heat_maps(report.results)
    assert (found.rows, found.columns) == (languages, languages)
    assert found.values["en", "en"] == 1.0
    assert found.values[found.worst()] == min(found.values.values())
    assert found.shade(*found.worst()) == 0.0
    assert heat_maps(report.results[:8]) == ()  # a pair is missing
    assert "Every language pair: pairs" in render_report(report.page())


def test_what_distillation_loses(results: list[TaskResult]) -> None:
    table = loss_table(results)
    assert table is not None
    within, across, asked = (dict(zip(table.header, row, strict=True)) for row in table.rows)
    assert (within["test set"], within["teacher, English"]) == ("stsb-multi-mt within a language", 0.82)
    assert within["student, English"] == pytest.approx(-0.02)
    assert within["other languages"] == pytest.approx(0.65 - 0.82)
    assert (within["worst"], within["which"]) == (pytest.approx(0.6 - 0.82), "Chinese")
    assert across["student, English"] is None
    assert asked["other languages"] == pytest.approx(0.9 - 0.95)
    assert loss_table(results[:2]) is None


def test_the_terms_of_the_data(results: list[TaskResult]) -> None:
    table = data_table(results)
    assert table is not None
    assert [row[0] for row in table.rows] == ["tatoeba-v1", "stsb-multi-mt"]
    assert table.rows[0][2] in ("true", "false", "unknown")
