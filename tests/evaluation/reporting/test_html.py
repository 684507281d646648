"""Tables, MTEB files, and the report."""

from __future__ import annotations

import json
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mling_embed.errors import UsageError
from mling_embed.evaluation.reporting.html import (
    Chart,
    ReportData,
    SearchExample,
    SearchHit,
    charts_of,
    render_report,
    report_of,
    write_report,
)
from mling_embed.evaluation.reporting.mteb_json import mteb_results, write_mteb_files
from mling_embed.evaluation.reporting.tables import cell_text, few_pairs_warning, result_tables, summary_records
from mling_embed.evaluation.tasks.results import BitextResult, RetrievalResult, StsResult
from mling_embed.evaluation.tasks.tasks import TaskLabel
from mling_embed.metrics.bitext import BitextScores, DirectionScores
from mling_embed.metrics.confidence import Interval


def bitext(language: str, hits: int, *, xsim: float = 10.0) -> BitextResult:
    direction = DirectionScores(100, hits, tuple(range(99 - hits)), hits / 100 - 0.05)
    label = TaskLabel("tatoeba-v1", f"{language}-en", (language, "en"), revision="abc")
    return BitextResult(label, 100, BitextScores(direction, direction), xsim, None, 1.5)


def sts(first: str, second: str, spearman: float) -> StsResult:
    label = TaskLabel("stsb-multi-mt", f"{first}-{second}", (first, second))
    return StsResult(label, 50, spearman, Interval(spearman - 0.1, spearman + 0.1), 0.82, 0.5)


QA = RetrievalResult(TaskLabel("qa", "de-en", ("de", "en")), 40, 0.9, 0.8, 0.7, 1.0, None, 0.95, 0.1)
RESULTS = [
    bitext("de", 90),
    bitext("zh", 60, xsim=30.0),
    sts("en", "en", 0.8),
    sts("de", "de", 0.7),
    sts("zh", "zh", 0.6),
    sts("en", "de", 0.65),
    sts("en", "zh", 0.5),
    QA,
]


def test_tables() -> None:
    tatoeba, within, across, qa = result_tables(RESULTS)
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


def few(language: str, n: int, *, other: str = "en", split: str = "test") -> BitextResult:
    direction = DirectionScores(n, n // 2, tuple(range(n - n // 2)), 0.5)
    label = TaskLabel("small", f"{language}-{other}", (language, other), split)
    return BitextResult(label, n, BitextScores(direction, direction), 50.0, None, 0.1)


def test_accuracies_on_few_pairs_are_marked() -> None:
    results = [few("de", 50), few("sw", 49), few("zh", 2)]
    (table,) = result_tables(results)
    assert [row[1] for row in table.marked_rows()] == ["50", "49*", "2*", "101", ""]
    assert [row[1] for row in table.text_rows()][:3] == ["50", "49", "2"]
    assert table.note.startswith("* Fewer than 50 pairs")
    html = render_report(report_of(results, model="m"))
    assert "<td>49*</td>" in html
    assert table.note in html
    assert "On fewer than 50 pairs, so that it can be far off: Swahili 49, Chinese 2." in html
    assert result_tables(RESULTS)[0].note == ""
    assert "Fewer than" not in render_report(report_of(RESULTS, model="m"))


def test_the_warning_of_few_pairs() -> None:
    assert few_pairs_warning([*RESULTS, few("de", 50)]) == ""
    told = few_pairs_warning([few("de", 400), *(few(f"x{n}", n) for n in range(9, 2, -1))])
    assert told.startswith("warning: 7 of 8 tasks have fewer than 50 pairs (small x3-en 3, small x4-en 4, ")
    assert "small x7-en 7 and 2 more)" in told
    assert "dev_fraction" not in told
    assert "A larger dev_fraction" in few_pairs_warning([few("de", 3, split="dev")])


def test_a_target_that_is_not_english_is_not_called_so() -> None:
    results = [few("en", 80, other="de"), few("de", 80, other="fr")]
    (table,) = result_tables(results)
    assert table.header[2:8] == ("src->tgt", "low", "high", "tgt->src", "src->tgt safe", "tgt->src safe")
    assert charts_of(results)[0].series == ("source to target", "target to source")
    assert summary_records(results)[0]["reverse_accuracy"] == 0.5


def test_nothing_measured_is_said() -> None:
    assert "Nothing was measured" in render_report(report_of([], model="m"))


def test_summary_records() -> None:
    records = summary_records(RESULTS)
    assert [(record["suite"], record["task"]) for record in records[:2]] == [
        ("tatoeba-v1", "mean"),
        ("tatoeba-v1", "worst"),
    ]
    assert records[1]["accuracy"] == 0.6
    assert records[1]["xsim"] == 30.0
    assert "accuracy_low" not in records[0]


def test_mteb_files(tmp_path: Path) -> None:
    paths = write_mteb_files(RESULTS, tmp_path)
    assert [path.name for path in paths] == ["tatoeba-v1.json", "stsb-multi-mt.json", "qa.json"]
    tatoeba = json.loads(paths[0].read_text())
    assert set(tatoeba) == {"dataset_revision", "task_name", "mteb_version", "evaluation_time", "scores"}
    assert tatoeba["dataset_revision"] == "abc"
    assert tatoeba["evaluation_time"] == 3.0
    german, chinese = tatoeba["scores"]["test"]
    assert german["hf_subset"] == "de-en"
    assert german["languages"] == ["deu-Latn", "eng-Latn"]
    assert chinese["languages"] == ["zho-Hans", "eng-Latn"]
    assert german["main_score"] == german["f1"] == pytest.approx(0.85)
    assert "teacher_space_accuracy" not in german
    english = json.loads(paths[1].read_text())["scores"]["test"][0]
    assert english["main_score"] == english["cosine_spearman"] == 0.8
    assert mteb_results([QA])[0]["scores"]["test"][0]["main_score"] == 0.9


def test_mteb_files_of_unknown_languages_and_odd_suites(tmp_path: Path) -> None:
    direction = DirectionScores(2, 1, (1,), 0.5)
    result = BitextResult(
        TaskLabel("dev/my news", "x", ("und", "en"), "dev"), 2, BitextScores(direction, direction), 50.0, None, 0.1
    )
    (path,) = write_mteb_files([result], tmp_path)
    assert path.name == "dev-my-news.json"
    assert json.loads(path.read_text())["scores"]["dev"][0]["languages"] == ["und", "eng-Latn"]


def test_charts() -> None:
    tatoeba, similarity, qa = charts_of(RESULTS)
    assert dict(tatoeba.bars) == {"de": (0.9, 0.9), "zh": (0.6, 0.6)}
    assert dict(similarity.bars) == {"de": [0.7, 0.65], "zh": [0.6, 0.5]}
    assert (similarity.reference, qa.reference) == (0.82, 0.95)
    assert similarity.means() == [pytest.approx(0.65), pytest.approx(0.575)]


def demo_report() -> ReportData:
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
        charts=(chart, *charts_of(RESULTS)),
        tables=tuple(result_tables(RESULTS)),
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


def test_the_report_is_whole_and_self_contained() -> None:
    page = _Page()
    html = render_report(demo_report())
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


def test_what_the_report_says() -> None:
    html = render_report(demo_report())
    for text in ("German", "Swahili", "1 min 15 s", "5,200", "mling-embed 0.1.0", "after, mean", "Where?"):
        assert text in html
    assert "It &lt;b&gt;works&lt;/b&gt;." in html
    assert "runs/&lt;x&gt;/model" in html
    assert '<p class="query" lang="ar" dir="auto">أين &lt;المحطة&gt;؟</p>' in html
    assert "prefers-color-scheme: dark" in html
    assert render_report(demo_report()) == html


def test_bars_are_as_long_as_their_values() -> None:
    html = render_report(demo_report())
    svg = ElementTree.fromstring(html[html.index("<svg") : html.index("</svg>") + 6])
    bars = [(bar.get("class"), float(bar.get("width", 0))) for bar in svg.iter("rect")]
    # 560 wide; the emphasised series has the first colour; a value above 1 stops at the edge; none has no bar.
    assert bars == [("s1", 56.0), ("s0", 504.0), ("s2", 5.6), ("s1", 112.0), ("s2", 560.0)]


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


def test_wide_tables_scroll_in_their_own_box() -> None:
    html = render_report(demo_report())
    assert html.count('<div class="scroll"') == html.count("<table>") + html.count("<svg")
    assert "th:first-child { text-align: start; padding-inline: 0 .5rem; position: sticky;" in html
    assert '<th scope="col">xx→en safe</th>' in html


def test_writing(tmp_path: Path) -> None:
    data = report_of(RESULTS, model="m", seconds=2.0)
    write_report(data, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == render_report(data)
    assert "8 tasks in 3 suites: tatoeba-v1, stsb-multi-mt, qa." in render_report(data)


def test_bad_charts() -> None:
    with pytest.raises(UsageError, match="chart 'x': 1 series of 0 languages"):
        Chart("x", "", ("a",), {})
    with pytest.raises(UsageError, match="chart 'x', de: 1 values, expected 2"):
        Chart("x", "", ("a", "b"), {"de": (0.5,)})
    with pytest.raises(UsageError, match="no series 'c'"):
        Chart("x", "", ("a",), {"de": (0.5,)}, emphasis="c")


@pytest.mark.browser
@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_a_browser_draws_it(tmp_path: Path) -> None:
    write_report(demo_report(), tmp_path / "report.html")
    subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--screenshot={tmp_path / 'page.png'}",
         f"--user-data-dir={tmp_path / 'profile'}", (tmp_path / "report.html").as_uri()],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    assert (tmp_path / "page.png").stat().st_size > 20_000
