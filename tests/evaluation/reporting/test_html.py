"""The report as a page, and its charts."""

from __future__ import annotations

import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mling_embed.errors import UsageError
from mling_embed.evaluation.charts import Chart
from mling_embed.evaluation.exhibits import Line
from mling_embed.evaluation.reporting.headline import headline_table
from mling_embed.evaluation.reporting.html import (
    ReportData,
    SearchExample,
    SearchHit,
    charts_of,
    render_report,
    write_report,
)
from mling_embed.evaluation.reporting.tables import result_tables
from mling_embed.evaluation.tasks.contract import TaskResult


def test_charts(results: list[TaskResult]) -> None:
    tatoeba, similarity, qa = charts_of(results)
    assert dict(tatoeba.bars) == {"de": (0.9, 0.9), "zh": (0.6, 0.6)}
    assert dict(similarity.bars) == {"de": [0.7, 0.65], "zh": [0.6, 0.5]}
    assert (similarity.reference, qa.reference) == (0.82, 0.95)
    assert similarity.means() == [pytest.approx(0.65), pytest.approx(0.575)]


@pytest.fixture
def demo_report(results: list[TaskResult]) -> ReportData:
    chart = Chart(
        "Accuracy",
        "Before & after.",
        ("before", "after", "shuffled"),
        {"de": (0.1, 0.9, 0.01), "sw": (0.2, None, 1.2)},
        emphasis="after",
    )
    search = SearchExample(
        "ar", "أين <المحطة>؟", (SearchHit("Over there.", 0.5, True), SearchHit("No.", 0.25)), "Where?"
    )
    return ReportData(
        title="From English",
        model="runs/<x>/model",
        teacher="all-MiniLM",
        seconds=75.0,
        versions={"mling-embed": "0.1.0"},
        summary="It <b>works</b>.",
        headline=headline_table(results),
        charts=(chart, *charts_of(results)),
        lines=(Line("Training", "Up.", ((0, 0.25), (40, 0.75))),),
        tables=tuple(result_tables(results)),
        searches=(search,),
        facts={"Pairs": "5,200"},
    )


class _Page(HTMLParser):
    """Collect tags, and check that they nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_report_is_whole_and_self_contained(demo_report: ReportData) -> None:
    page = _Page()
    html = render_report(demo_report)
    page.feed(html)
    assert page.open == []
    assert not {tag for tag, _ in page.attributes} & {"script", "link", "img", "iframe", "object", "a"}
    assert not any(name in {"src", "href"} for _, attributes in page.attributes for name in attributes)
    assert "url(" not in html
    assert "@import" not in html
    identifiers = [attributes["id"] for _, attributes in page.attributes if "id" in attributes]
    assert len(set(identifiers)) == len(identifiers)
    named = [word for _, attributes in page.attributes for word in (attributes.get("aria-labelledby") or "").split()]
    assert set(named) <= set(identifiers)


def test_what_the_report_says(demo_report: ReportData) -> None:
    html = render_report(demo_report)
    for text in ("German", "Swahili", "1 min 15 s", "5,200", "mling-embed 0.1.0", "after, mean", "Where?"):
        assert text in html
    assert "It &lt;b&gt;works&lt;/b&gt;." in html
    assert "runs/&lt;x&gt;/model" in html
    assert '<p class="query" lang="ar" dir="auto">أين &lt;المحطة&gt;؟</p>' in html
    assert "prefers-color-scheme: dark" in html
    assert render_report(demo_report) == html


def test_bars_are_as_long_as_their_values(demo_report: ReportData) -> None:
    html = render_report(demo_report)
    svg = ElementTree.fromstring(html[html.index("<svg") : html.index("</svg>") + 6])
    bars = [(bar.get("class"), float(bar.get("width", 0))) for bar in svg.iter("rect")]
    # 560 wide; the emphasised series has the first colour; a value above 1 stops at the edge; none has no bar.
    assert bars == [("s1", 56.0), ("s0", 504.0), ("s2", 5.6), ("s1", 112.0), ("s2", 560.0)]


def test_what_sums_it_up_comes_first(demo_report: ReportData) -> None:
    html = render_report(demo_report)
    assert html.index("At a glance") < html.index("<svg")
    row = html[html.index('<th scope="row">tatoeba-v1</th>') :].partition("</tr>")[0]
    assert row == '<th scope="row">tatoeba-v1</th>' + "".join(
        f"<td>{cell}</td>" for cell in ("–", "0.7500", "0.6000", "zh-en", "xx→en", "2", "200")
    )


def test_a_line_goes_from_step_to_step() -> None:
    html = render_report(ReportData("t", "m", lines=(Line("Training", "Up.", ((0, 0.25), (40, 0.75))),)))
    svg = ElementTree.fromstring(html[html.index("<svg") : html.index("</svg>") + 6])
    (line,) = svg.iter("polyline")
    # Steps from 0 to 40 over 630; values from .2 to .8 over 180, upwards.
    assert line.get("points", "").split() == ["60.0,185.0", "690.0,35.0"]
    ticks = [tick.text for tick in svg.iter("text") if tick.get("class") == "tick"]
    assert ticks == ["0.2", "0.4", "0.6", "0.8", "0", "10", "20", "30", "40", "steps"]
    assert svg.findtext("desc") == "step 0: 0.25; step 40: 0.75."


def test_a_negative_value_has_its_bar_left_of_zero() -> None:
    chart = Chart("Similarity", "x", ("spearman",), {"de": (-0.3,), "sw": (0.5,), "zh": (-2.0,)})
    assert chart.floor() == -100
    html = render_report(ReportData("t", "m", charts=(Chart("x", "x", ("a",), {"de": (-0.3,), "sw": (0.5,)}),)))
    svg = ElementTree.fromstring(html[html.index("<svg") : html.index("</svg>") + 6])
    # The axis goes from -50 to 100 over 560, so that zero is at 150 + 560 / 3.
    zero = 150 + 560 / 3
    bars = [(float(bar.get("x", 0)), float(bar.get("width", 0))) for bar in svg.iter("rect")]
    assert bars == [pytest.approx((zero - 112, 112), abs=0.1), pytest.approx((zero, 560 / 3), abs=0.1)]
    ticks = [tick.text for tick in svg.iter("text") if tick.get("class") == "tick"]
    assert ticks == ["-50", "-25", "0", "25", "50", "75", "100"]
    figures = [figure for figure in svg.iter("text") if figure.get("class") == "value"]
    assert float(figures[0].get("x", 0)) == pytest.approx(zero + 6, abs=0.1)


def test_wide_tables_scroll_in_their_own_box(demo_report: ReportData) -> None:
    html = render_report(demo_report)
    assert html.count('<div class="scroll"') == html.count("<table>") + html.count("<svg")
    assert "th:first-child { text-align: start; padding-inline: 0 .5rem; position: sticky;" in html
    assert '<th scope="col">xx→en safe</th>' in html


def test_writing(demo_report: ReportData, tmp_path: Path) -> None:
    write_report(demo_report, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == render_report(demo_report)


def test_bad_charts() -> None:
    with pytest.raises(UsageError, match="chart 'x': 1 series of 0 languages"):
        Chart("x", "", ("a",), {})
    with pytest.raises(UsageError, match="chart 'x', de: 1 values, expected 2"):
        Chart("x", "", ("a", "b"), {"de": (0.5,)})
    with pytest.raises(UsageError, match="no series 'c'"):
        Chart("x", "", ("a",), {"de": (0.5,)}, emphasis="c")


@pytest.mark.browser
@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_a_browser_draws_it(demo_report: ReportData, tmp_path: Path) -> None:
    write_report(demo_report, tmp_path / "report.html")
    subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--screenshot={tmp_path / 'page.png'}",
         f"--user-data-dir={tmp_path / 'profile'}", (tmp_path / "report.html").as_uri()],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    assert (tmp_path / "page.png").stat().st_size > 20_000
