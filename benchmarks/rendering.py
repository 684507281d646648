"""Render results as Markdown: RESULTS.md whole, and the marked parts of README.md."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from conditions_file import Condition
from measure import CHANGES, CHOSEN

from mling_embed.errors import DataError

Result = Mapping[str, Any]
MARKED = re.compile(r"(<!-- results:(?P<name>[\w/-]+) -->\n).*?(<!-- /results -->)", re.DOTALL)
GIB = 2**30
TOLD = "told"  # the fact that is a result in words
NOTE = "Written by `python benchmarks/run.py report` from `benchmarks/results/*.json`; not by hand."
# Column of the table by language -> suite, form of the task's name, key of the score.
LANGUAGE_COLUMNS = {
    "Tatoeba xx->en": ("tatoeba-v1", "{}-en", "score"),
    "Tatoeba en->xx": ("tatoeba-v1", "{}-en", "reverse_accuracy"),
    "Tatoeba xx->teacher's index": ("tatoeba-v1", "{}-en", "teacher_space_accuracy"),
    "static: Tatoeba xx->en": ("tatoeba-v1", "{}-en", "static"),
    "teacher: Tatoeba xx->en": ("tatoeba-v1", "{}-en", "teacher"),
    "STS-B en-xx": ("stsb-multi-mt", "en-{}", "score"),
    "static: STS-B en-xx": ("stsb-multi-mt", "en-{}", "static"),
    "teacher: STS-B en-xx": ("stsb-multi-mt", "en-{}", "teacher"),
    "STS-B xx-xx": ("stsb-multi-mt", "{0}-{0}", "score"),
    "dev xx->en": ("dev by language", "{}-en", "score"),
}


def results_page(found: Sequence[tuple[Condition, Result]]) -> str:
    """Return RESULTS.md."""
    parts = ["# Results", NOTE, "Accuracies and correlations are fractions; intervals are of 95%."]
    for condition, result in found:
        parts += [f"## {condition.title}", provenance(condition, result), figures_table(condition, result)]
        parts.append(table(("phase", "seconds"), [(name, f"{s:,.1f}") for name, s in result["seconds"].items()]))
        parts += [f"### {name.capitalize()}\n\n{text}" for name, text in fact_tables(result).items()]
        parts += [f"{heading}\n\n{text}" if heading else text for heading, text in score_tables(result)]
    return "\n\n".join(part for part in parts if part) + "\n"


def fill_marked(text: str, found: Sequence[tuple[Condition, Result]]) -> str:
    """Return a page with the parts between ``<!-- results:NAME -->`` and ``<!-- /results -->`` written anew.

    NAME is a condition, for its figures; ``NAME/languages`` is its table by language, ``NAME/scores`` its scores, and
    ``NAME/FACT`` a fact that is a table; ``NAME/told`` is what it says of itself in words.
    A part whose condition has no result stays as it is.
    """
    by_name = {condition.name: (condition, result) for condition, result in found}

    def part(match: re.Match[str]) -> str:
        name, _, kind = match["name"].partition("/")
        if name not in by_name:
            return match[0]
        condition, result = by_name[name]
        if kind == "":
            inner = figures_table(condition, result)
        elif kind == "languages":
            inner = language_table(result, chosen=True)
        elif kind == "scores":
            inner = "\n\n".join(text for _, text in score_tables(result))
        elif kind == TOLD and TOLD in result["facts"]:
            inner = result["facts"][TOLD]
        elif kind in (tables := fact_tables(result)):
            inner = tables[kind]
        else:
            known = ", ".join(["languages", "scores", *tables])
            raise DataError(f"no part '{kind}' of the results of {name}; expected {known}.", where="README")
        return f"{match[1]}{inner}\n{match[3]}"

    return MARKED.sub(part, text)


def provenance(condition: Condition, result: Result) -> str:
    """Say how, where and with what a result was reached."""
    hardware = result["hardware"]
    memory = f"{hardware['memory_bytes'] / GIB:.0f} GiB"
    changes = " and changes" if result["commit"].endswith(CHANGES) else ""
    told = result["facts"].get(TOLD, "")
    plain = {
        name: value for name, value in result["facts"].items() if name != TOLD and not isinstance(value, list | dict)
    }
    facts = ", ".join(f"{name.replace('_', ' ')} {cell(value)}" for name, value in plain.items())
    lines = [
        f"`{' '.join(condition.command)}`",
        f"{hardware['processor']}, {hardware['cores']} cores, {memory}; Python {hardware['python']}, "
        f"torch {hardware['torch']}, sentence-transformers {hardware['sentence-transformers']}; "
        f"mling_embed {result['package_version']}, commit `{result['commit'][:12]}`{changes}; "
        f"seeds {', '.join(map(str, result['seeds']))}; peak memory {result['peak_rss_bytes'] / GIB:.2f} GiB.",
        facts[:1].upper() + facts[1:] + "." if facts else "",
        told,
    ]
    return "\n\n".join(line for line in lines if line)


def figures_table(condition: Condition, result: Result) -> str:
    """Return the figures beside what is promised of them."""
    promised = {each.metric: each for each in condition.promise}
    limits = {"at_least": "at least ", "at_most": "at most "}
    rows = []
    for name, value in result["figures"].items():
        each = promised.get(name)
        wanted = f"{limits.get(each.better, '')}{cell(each.promised)} (± {cell(each.tolerance)})" if each else ""
        rows.append((name.replace("_", " "), cell(value), wanted))
    return table(("figure", "value", "promised"), rows)


def fact_tables(result: Result) -> dict[str, str]:
    """Return the facts that are lists of rows, as tables."""
    tables = {}
    for name, rows in result["facts"].items():
        if isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows):
            columns = list(dict.fromkeys(column for row in rows for column in row))
            cells = [[cell(row.get(column)) for column in columns] for row in rows]
            tables[name] = table([column.replace("_", " ") for column in columns], cells)
    return tables


def score_tables(result: Result) -> list[tuple[str, str]]:
    """Return the scores as tables with headings: by test set, by language and source if they are of pairs, else one."""
    scores = result["scores"]
    if not scores:
        return []
    if all({"suite", "model", "low"} <= score.keys() for score in scores):
        return side_by_side(scores)
    if not any("suite" in score and "-" in score["task"] for score in scores):
        names = list(dict.fromkeys(name for score in scores for name in score))
        return [("", table(names, [[cell(score.get(name)) for name in names] for score in scores]))]
    suites = list(dict.fromkeys(score["suite"] for score in scores))
    pivots = {
        "### Dev split by source": [suite for suite in suites if suite.startswith("dev/")],
        "### Dev split by length of the English sentence": [
            suite for suite in suites if suite.startswith("dev by length")
        ],
    }
    tables = [("### By language", language_table(result))]
    tables += [(heading, pivot(scores, members)) for heading, members in pivots.items() if members]
    return tables


def side_by_side(scores: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return a table for each test set: a row for each task, a column for each model, intervals in brackets."""
    models = list(dict.fromkeys(score["model"] for score in scores))
    tables = []
    for suite in dict.fromkeys(score["suite"] for score in scores):
        rows: dict[str, dict[str, str]] = {}
        for score in (score for score in scores if score["suite"] == suite):
            low, high = score["low"], score["high"]
            bounds = "" if low is None else f" ({cell(low)} to {cell(high)})"
            row = rows.setdefault(score["task"], {"n": cell(score["n"])})
            row[score["model"]] = cell(score["score"]) + bounds
        header = ("task", "n", *models)
        lines = [[task, *(row.get(name, "") for name in header[1:])] for task, row in rows.items()]
        tables.append((f"### {suite}", table(header, lines)))
    return tables


def language_table(result: Result, *, chosen: bool = False) -> str:
    """Return the scores by language, of all or of the chosen fifteen, with mean and worst at the end."""
    scores = {(score["suite"], score["task"]): score for score in result["scores"]}
    found: dict[str, list[float | None]] = {}
    tasks = (task for suite, task in scores if not suite.startswith(("dev/", "dev by length")))
    languages = dict.fromkeys(language for task in tasks for language in task.split("-", 1))
    for language in CHOSEN if chosen else sorted(languages):
        cells = [
            scores.get((suite, form.format(language)), {}).get(key) for suite, form, key in LANGUAGE_COLUMNS.values()
        ]
        if any(value is not None for value in cells):
            found[language] = cells
    columns = dict(zip(LANGUAGE_COLUMNS, zip(*found.values(), strict=True), strict=True))
    columns = {name: column for name, column in columns.items() if any(value is not None for value in column)}
    rows = [[language, *(cell(column[place]) for column in columns.values())] for place, language in enumerate(found)]
    known = [[value for value in column if value is not None] for column in columns.values()]
    rows.append(["mean", *(cell(sum(column) / len(column)) for column in known)])
    rows.append(["worst", *(cell(min(column)) for column in known)])
    return table(("language", *columns), rows)


def pivot(scores: Sequence[Mapping[str, Any]], suites: Sequence[str]) -> str:
    """Return scores with pairs in brackets: a row for each task, a column for each suite, the means at the end."""
    by_place = {(score["task"], score["suite"]): score for score in scores if score["suite"] in suites}
    tasks = sorted({task for task, _ in by_place})
    rows = []
    for task in tasks:
        found = [by_place.get((task, suite)) for suite in suites]
        rows.append([task, *(f"{cell(score['score'])} ({score['n']})" if score else "" for score in found)])
    means = []
    for suite in suites:
        members = [score["score"] for (_, name), score in by_place.items() if name == suite]
        means.append(cell(sum(members) / len(members)))
    short = [suite.removeprefix("dev/").rpartition(": ")[2] for suite in suites]
    return table(("task", *short), [*rows, ["mean", *means]])


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, numbers to the right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(value: Any) -> str:
    """Return a value as text: fractions with three decimals (more where those say one or zero), large ones without any.

    >>> cell(0.81234), cell(0.99999), cell(0.00000034), cell(12.34), cell(10042.3), cell(1611622), cell(0.0), cell(None)
    ('0.812', '0.99999', '3.4e-07', '12.3', '10,042', '1,611,622', '0.000', '')
    """
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    if 0.9995 <= value < 1:
        return f"{value:.6g}"
    if 0 < abs(value) < 0.0005:
        return f"{value:.2g}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"
