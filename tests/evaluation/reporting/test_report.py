"""The report of an evaluation."""

from __future__ import annotations

import json
from pathlib import Path

from mling_embed.evaluation.reporting.html import render_report
from mling_embed.evaluation.reporting.report import Report
from mling_embed.evaluation.tasks.contract import TaskResult


def test_it_prints_its_tables(results: list[TaskResult]) -> None:
    report = Report(tuple(results), "m")
    assert str(report) == "\n\n".join(table.as_text() for table in report.tables())
    assert len(report) == len(list(report)) == 8
    assert str(Report((), "m")) == "Nothing was measured."


def test_its_lines_of_json(results: list[TaskResult]) -> None:
    report = Report(tuple(results), "m\u2028odel")
    text = report.to_json()
    assert [json.loads(line) for line in text.removesuffix("\n").split("\n")] == report.records()


def test_its_files(results: list[TaskResult], tmp_path: Path) -> None:
    report = Report(tuple(results), "m", teacher="t", seconds=2.0)
    paths = report.write(str(tmp_path / "new"))
    names = ["tatoeba-v1.json", "stsb-multi-mt.json", "qa.json", "tatoeba-v1.yaml", "stsb-multi-mt.yaml", "report.html"]
    assert [path.name for path in paths] == names
    html = paths[-1].read_text(encoding="utf-8")
    assert html == render_report(report.page())
    assert "8 tasks in 3 suites: tatoeba-v1, stsb-multi-mt, qa." in html


def test_nothing_measured_is_said() -> None:
    assert "Nothing was measured: there were no pairs" in render_report(Report((), "m").page())
