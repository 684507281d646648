"""The report: one self-contained HTML page with a chart for each figure, tables, and search examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from mling_embed.evaluation.charts import Chart
from mling_embed.evaluation.exhibits import HeatMap, Histogram, Line, Mistake, PointMap
from mling_embed.evaluation.reporting.tables import Table
from mling_embed.evaluation.tasks.contract import TaskResult
from mling_embed.files import write_text
from mling_embed.languages import language_name

if TYPE_CHECKING:
    import jinja2

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class SearchHit:
    """Hold one found passage, its score, and whether it is a right answer (`None` if not known)."""

    text: str
    score: float
    relevant: bool | None = None


@dataclass(frozen=True, slots=True)
class SearchExample:
    """Hold a query, what it means in English (if given), and what it found, best first; and by whom, of several."""

    language: str
    query: str
    hits: tuple[SearchHit, ...]
    meaning: str = ""
    student: str = ""


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
        headline: The table that comes first.
        charts: The charts, in order.
        tables: The tables, in order.
        searches: Search examples.
        lines: How the training went.
        heat_maps: Figures of language pairs.
        histogram: How similarities are spread.
        sentence_map: One set of sentences in all languages.
        mistakes: The worst ones.
        facts: More of the header: name -> text.
    """

    title: str
    model: str
    teacher: str = ""
    seconds: float | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    summary: str = ""
    headline: Table | None = None
    charts: tuple[Chart, ...] = ()
    tables: tuple[Table, ...] = ()
    searches: tuple[SearchExample, ...] = ()
    lines: tuple[Line, ...] = ()
    heat_maps: tuple[HeatMap, ...] = ()
    histogram: Histogram | None = None
    sentence_map: PointMap | None = None
    mistakes: tuple[Mistake, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


def render_report(data: ReportData) -> str:
    """Render a report as one HTML page that needs nothing else: no scripts, fonts, or network."""
    return _template().render(data=data)


def write_report(data: ReportData, path: Path) -> None:
    """Write a report, whole or not at all."""
    write_text(path, render_report(data))


def charts_of(results: Sequence[TaskResult]) -> tuple[Chart, ...]:
    """Return the charts of an evaluation's results: one for each suite and kind of task."""
    groups: dict[tuple[str, str], list[TaskResult]] = {}
    for result in results:
        groups.setdefault((result.label.suite, result.type.kind), []).append(result)
    return tuple(
        _with_intervals(members[0].type.chart(suite, members), members) for (suite, _), members in groups.items()
    )


def _with_intervals(chart: Chart, results: Sequence[TaskResult]) -> Chart:
    """Put the intervals beside the bars of the series that matters, where these are main figures."""
    intervals: dict[str, tuple[float, float]] = {}
    for result in results:
        values = chart.bars.get(result.label.subject)
        if result.interval is not None and values is not None and values[chart.strong()] == result.score:
            intervals[result.label.subject] = (result.interval.low, result.interval.high)
    return replace(chart, intervals=intervals)


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
