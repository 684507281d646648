"""The report of an evaluation: its results as tables, lines of JSON, and files."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mling_embed import __version__
from mling_embed.evaluation.exhibits import PointMap
from mling_embed.evaluation.reporting.eval_results import write_eval_results
from mling_embed.evaluation.reporting.exhibits_of import data_table, heat_maps, similarities, worst_mistakes
from mling_embed.evaluation.reporting.headline import headline_table
from mling_embed.evaluation.reporting.html import ReportData, charts_of, write_report
from mling_embed.evaluation.reporting.losses import loss_table
from mling_embed.evaluation.reporting.mteb_json import write_mteb_files
from mling_embed.evaluation.reporting.records import result_records
from mling_embed.evaluation.reporting.tables import Table, few_warning, result_tables
from mling_embed.evaluation.reporting.training_lines import training_lines
from mling_embed.evaluation.tasks.contract import TaskResult
from mling_embed.evaluation.vectors import Encoded

REPORT_FILE = "report.html"


@dataclass(frozen=True, slots=True)
class Report:
    """Hold the results of an evaluation, and show them: ``print(report)`` gives the tables.

    Attributes:
        results: One for each task, in their order.
        model: What was measured.
        teacher: Whose figures stand beside, empty without one.
        seconds: Duration of the evaluation.
        encoded: What had to be encoded for it.
        sentence_map: One set of sentences in all its languages, if one was measured.
        storage: Accuracy by dimension and precision, if translation was measured.
    """

    results: tuple[TaskResult, ...]
    model: str
    teacher: str = ""
    seconds: float | None = None
    encoded: Encoded | None = None
    sentence_map: PointMap | None = None
    storage: Table | None = None

    def __iter__(self) -> Iterator[TaskResult]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def __str__(self) -> str:
        parts = [table.as_text() for table in self.tables()] or ["Nothing was measured."]
        return "\n\n".join([*parts, self.warning] if self.warning else parts)

    @property
    def warning(self) -> str:
        """What to beware of: main figures that come of too little. Empty if there are none."""
        return few_warning(self.results)

    def tables(self) -> list[Table]:
        """Return a table for each suite, a row for each task, then the mean and the worst; and what was lost."""
        lost = loss_table(self.results)
        return [*result_tables(self.results), *([lost] if lost is not None else [])]

    def records(self) -> list[dict[str, Any]]:
        """Return a flat record of plain values for each result, mean and worst."""
        return result_records(self.results, model=self.model)

    def to_json(self) -> str:
        """Return the records as lines of JSON."""
        return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in self.records())

    def page(self) -> ReportData:
        """Return what the HTML page shows: charts and tables of each suite, the training, a map, mistakes, terms."""
        further = [table for table in (self.storage, data_table(self.results)) if table is not None]
        suites = list(dict.fromkeys(result.label.suite for result in self.results))
        return ReportData(
            title="Evaluation",
            model=self.model,
            teacher=self.teacher,
            seconds=self.seconds,
            versions=_versions(),
            summary=f"{len(self.results)} tasks in {len(suites)} suites: {', '.join(suites)}."
            if self.results
            else "Nothing was measured: there were no pairs to measure on.",
            headline=headline_table(self.results),
            charts=charts_of(self.results),
            lines=training_lines(self.model),
            tables=(*self.tables(), *further),
            heat_maps=heat_maps(self.results),
            histogram=similarities(self.results),
            sentence_map=self.sentence_map,
            mistakes=worst_mistakes(self.results),
        )

    def write_page(self, path: Path) -> None:
        """Write the HTML page, whole or not at all."""
        write_report(self.page(), path)

    def write(self, folder: str | Path) -> list[Path]:
        """Write the HTML page, the results in MTEB's shape, a JSON file for each suite, and as the hub has them.

        Returns:
            The files.
        """
        folder = Path(folder)
        hub = write_eval_results(self.results, folder)
        paths = [*write_mteb_files(self.results, folder), *hub, folder / REPORT_FILE]
        self.write_page(paths[-1])
        return paths


def _versions() -> dict[str, str]:
    packages = ("sentence-transformers", "torch")
    return {
        "mling-embed": __version__,
        "Python": platform.python_version(),
        **{package: importlib.metadata.version(package) for package in packages},
    }
