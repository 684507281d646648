"""Tables of results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from mling_embed.evaluation.reporting.html import charts_of, render_report
from mling_embed.evaluation.reporting.records import result_records
from mling_embed.evaluation.reporting.report import Report
from mling_embed.evaluation.reporting.tables import cell_text, few_warning, result_tables
from mling_embed.evaluation.tasks.contract import TaskLabel, TaskResult


def test_tables(results: list[TaskResult]) -> None:
    tatoeba, within, across, qa = result_tables(results)
    assert tatoeba.header == (
        "task", "n", "xx->en", "low", "high", "en->xx", "xx->en safe", "en->xx safe", "F1", "xSIM %",
    )  # fmt: skip
    assert tatoeba.text_rows()[2:] == [
        ("mean", "200", "0.7500", "", "", "0.7500", "0.7600", "0.7600", "0.7000", "20.0000"),
        ("worst", "", "0.6000", "", "", "0.6000", "0.6100", "0.6100", "0.5500", "30.0000"),
    ]
    assert within.title == "stsb-multi-mt within a language"
    # English has a row and is in neither the mean nor the worst.
    assert [row[0] for row in within.rows] == ["en-en", "de-de", "zh-zh", "mean", "worst"]
    assert within.rows[3][:3] == ("mean", 100, pytest.approx(0.65))
    assert across.rows[-1][2] == 0.5
    assert qa.n_summary == 0
    assert "nDCG@10 teacher index" not in qa.header
    assert cell_text(None) == ""


def test_a_suite_of_two_types_has_two_tables(results: list[TaskResult]) -> None:
    label = TaskLabel("qa", "de-en", ("de", "en"))
    bitext, questions = replace(results[0], label=label), results[-1]
    assert [table.title for table in result_tables([bitext, questions])] == ["qa bitext", "qa retrieval"]


def test_a_table_as_text(results: list[TaskResult]) -> None:
    assert result_tables(results[3:5])[0].as_text().split("\n") == [
        "stsb-multi-mt within a language",
        "task     n  spearman     low    high  teacher en-en",
        "de-de   50    0.7000  0.6000  0.8000         0.8200",
        "zh-zh   50    0.6000  0.5000  0.7000         0.8200",
        "mean   100    0.6500                         0.8200",
        "worst         0.6000                         0.8200",
    ]


def few(
    made: Callable[..., TaskResult], language: str, n: int, *, other: str = "en", split: str = "test"
) -> TaskResult:
    return made(language, n // 2, n=n, other=other, suite="small", split=split)


def test_accuracies_on_few_pairs_are_marked(
    results: list[TaskResult], bitext_result: Callable[..., TaskResult]
) -> None:
    made = [few(bitext_result, "de", 50), few(bitext_result, "sw", 49), few(bitext_result, "zh", 2)]
    (table,) = result_tables(made)
    assert [row[1] for row in table.marked_rows()] == ["50", "49*", "2*", "101", ""]
    assert [row[1] for row in table.text_rows()][:3] == ["50", "49", "2"]
    assert table.note.startswith("* Fewer than 50 pairs")
    html = render_report(Report(tuple(made), "m").page())
    assert "<td>49*</td>" in html
    assert table.note in html
    assert "On fewer than 50 pairs, so that it can be far off: Swahili 49, Chinese 2." in html
    assert result_tables(results)[0].note == ""
    assert "Fewer than" not in render_report(Report(tuple(results), "m").page())


def test_the_warning_of_few_pairs(results: list[TaskResult], bitext_result: Callable[..., TaskResult]) -> None:
    assert few_warning([*results, few(bitext_result, "de", 50)]) == ""
    told = few_warning([few(bitext_result, "de", 400), *(few(bitext_result, f"x{n}", n) for n in range(9, 2, -1))])
    assert told.startswith("warning: 7 of 8 tasks have fewer than 50 pairs (small x3-en 3, small x4-en 4, ")
    assert "small x7-en 7 and 2 more)" in told
    assert "dev_fraction" not in told
    assert "A larger dev_fraction" in few_warning([few(bitext_result, "de", 3, split="dev")])


def test_a_target_that_is_not_english_is_not_called_so(
    results: list[TaskResult], bitext_result: Callable[..., TaskResult]
) -> None:
    made = [few(bitext_result, "en", 80, other="de"), few(bitext_result, "de", 80, other="fr")]
    (table,) = result_tables(made)
    assert table.header[2:8] == ("src->tgt", "low", "high", "tgt->src", "src->tgt safe", "tgt->src safe")
    assert charts_of(made)[0].series == ("source to target", "target to source")
    assert result_records(made, model="m")[2]["figures"]["reverse_accuracy"] == 0.5
