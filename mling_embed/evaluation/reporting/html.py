"""The report: one self-contained HTML page with a chart for each figure, tables, and search examples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from mling_embed.errors import UsageError
from mling_embed.evaluation.language_names import language_name
from mling_embed.evaluation.reporting.tables import FEW_PAIRS, Table, is_few, result_tables
from mling_embed.evaluation.tasks.results import BitextResult, RetrievalResult, StsResult, TaskResult
from mling_embed.files import write_text
from mling_embed.languages import ENGLISH, UNKNOWN_LANGUAGE

if TYPE_CHECKING:
    import jinja2

TEMPLATES = Path(__file__).parent / "templates"
MAX_SERIES = 4
_Result = TypeVar("_Result", bound=TaskResult)


@dataclass(frozen=True, slots=True)
class Chart:
    """Hold a horizontal bar chart: a group of bars for each language, a bar for each series.

    Attributes:
        title: What it shows.
        caption: How to read it, in a sentence or two.
        series: The names of the series, such as before, after and shuffled; at most 4.
        bars: Language code (or any label) -> a value for each series, as a fraction; `None` where there is none.
        emphasis: The series that matters: drawn in the strong colour, its mean in the header.
        reference: A value that a thin line marks, such as the teacher's own figure.
        reference_label: What the line is.
    """

    title: str
    caption: str
    series: tuple[str, ...]
    bars: Mapping[str, Sequence[float | None]]
    emphasis: str = ""
    reference: float | None = None
    reference_label: str = ""

    def __post_init__(self) -> None:
        if not 1 <= len(self.series) <= MAX_SERIES or not self.bars:
            raise UsageError(f"chart '{self.title}': {len(self.series)} series of {len(self.bars)} languages.")
        for label, values in self.bars.items():
            if len(values) != len(self.series):
                raise UsageError(
                    f"chart '{self.title}', {label}: {len(values)} values, expected {len(self.series)} as series."
                )
        if self.emphasis and self.emphasis not in self.series:
            raise UsageError(f"chart '{self.title}': no series '{self.emphasis}'.")

    def means(self) -> list[float | None]:
        """Return each series' mean over the languages that have a value."""
        columns = [[value for value in column if value is not None] for column in zip(*self.bars.values(), strict=True)]
        return [sum(column) / len(column) if column else None for column in columns]

    def floor(self) -> int:
        """Return where the axis begins, in percent: 0, or a multiple of 25 below the least value."""
        least = min((value for values in self.bars.values() for value in values if value is not None), default=0.0)
        return max(-100, 25 * math.floor(4 * min(0.0, least, self.reference or 0.0)))

    def strong(self) -> int:
        """Return the place of the series that matters: the emphasised, or the only one, else the first."""
        return self.series.index(self.emphasis) if self.emphasis else 0


@dataclass(frozen=True, slots=True)
class SearchHit:
    """Hold one found passage, its score, and whether it is a right answer (`None` if not known)."""

    text: str
    score: float
    relevant: bool | None = None


@dataclass(frozen=True, slots=True)
class SearchExample:
    """Hold a query, what it means in English (if given), and what it found, best first."""

    language: str
    query: str
    hits: tuple[SearchHit, ...]
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class ReportData:
    """Hold everything that a report shows.

    Attributes:
        title: The heading.
        model: The model's name or path.
        teacher: The teacher's name, empty without one.
        seconds: Duration of the run.
        versions: Name -> version of the software that made it.
        summary: A sentence or two under the heading.
        charts: The charts, in order.
        tables: The tables, in order.
        searches: Search examples.
        facts: More of the header: name -> text.
    """

    title: str
    model: str
    teacher: str = ""
    seconds: float | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    summary: str = ""
    charts: tuple[Chart, ...] = ()
    tables: tuple[Table, ...] = ()
    searches: tuple[SearchExample, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


def render_report(data: ReportData) -> str:
    """Render a report as one HTML page that needs nothing else: no scripts, fonts, or network."""
    return _template().render(data=data)


def write_report(data: ReportData, path: Path) -> None:
    """Write a report, whole or not at all."""
    write_text(path, render_report(data))


def charts_of(results: Sequence[TaskResult]) -> tuple[Chart, ...]:
    """Return the charts of an evaluation's results: one for each suite."""
    groups: dict[tuple[str, str], list[TaskResult]] = {}
    for result in results:
        groups.setdefault((result.label.suite, result.kind), []).append(result)
    return tuple(_chart(suite, members) for (suite, _), members in groups.items())


def report_of(
    results: Sequence[TaskResult],
    *,
    model: str,
    teacher: str = "",
    seconds: float | None = None,
    versions: Mapping[str, str] | None = None,
) -> ReportData:
    """Return the report of an evaluation: a chart and a table for each suite."""
    suites = list(dict.fromkeys(result.label.suite for result in results))
    return ReportData(
        title="Evaluation",
        model=model,
        teacher=teacher,
        seconds=seconds,
        versions=versions or {},
        summary=f"{len(results)} tasks in {len(suites)} suites: {', '.join(suites)}."
        if results
        else "Nothing was measured: there were no pairs to measure on.",
        charts=charts_of(results),
        tables=tuple(result_tables(results)),
    )


def _chart(suite: str, results: list[TaskResult]) -> Chart:
    first = results[0]
    if isinstance(first, BitextResult):
        bars = {
            _label(result): (result.scores.forward.accuracy, result.scores.backward.accuracy)
            for result in results
            if isinstance(result, BitextResult)
        }
        english = all(result.label.languages[1] == ENGLISH for result in results)
        series = ("to English", "from English") if english else ("source to target", "target to source")
        few = [f"{language_name(_label(result))} {result.n}" for result in results if is_few(result)]
        caption = "Share of sentences whose nearest neighbor in the other language is their translation."
        if few:
            caption += f" On fewer than {FEW_PAIRS} pairs, so that it can be far off: {', '.join(few)}."
        return Chart(f"Translation accuracy: {suite}", caption, series, bars, emphasis=series[0])
    if isinstance(first, StsResult):
        return _sts_chart(suite, [result for result in results if isinstance(result, StsResult)])
    retrieval = [result for result in results if isinstance(result, RetrievalResult)]
    return Chart(
        f"Search: {suite}",
        "nDCG@10 of questions in each language over English passages.",
        ("nDCG@10", "R@1"),
        {_label(result): (result.ndcg_at_10, result.recall_at_1) for result in _others(retrieval)},
        emphasis="nDCG@10",
        reference=retrieval[0].teacher_english_ndcg_at_10,
        reference_label="teacher, English questions",
    )


def _sts_chart(suite: str, results: list[StsResult]) -> Chart:
    bars: dict[str, list[float | None]] = {}
    for result in _others(results):
        one, other = result.label.languages
        bars.setdefault(_label(result), [None, None])[0 if one == other else 1] = result.spearman
    return Chart(
        f"Similarity: {suite}",
        "Spearman's correlation of cosines with people's scores, both sentences in a language or the first in English.",
        ("within the language", "English beside it"),
        bars,
        emphasis="within the language",
        reference=results[0].teacher_english,
        reference_label="teacher, English",
    )


def _others(results: list[_Result]) -> list[_Result]:
    """Leave English itself to the table, if there is more: here it would weigh on the mean of the languages."""
    return [result for result in results if result.label.languages != (ENGLISH, ENGLISH)] or results


def _label(result: TaskResult) -> str:
    """Return the language that a task is about, or its name where that says more."""
    first, second = result.label.languages
    language = second if first == ENGLISH else first
    usual = result.label.name == f"{first}-{second}"
    return language if usual and language != UNKNOWN_LANGUAGE else result.label.name


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{seconds:.1f} s"


@lru_cache(maxsize=1)
def _template() -> jinja2.Template:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": _percent, "language_name": language_name, "duration": _duration}
    return environment.get_template("report.html.j2")
