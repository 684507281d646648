"""Judge encoders side by side on every test set there is: teacher, students, and a peer.

Each text is encoded once by each encoder, whatever number of test sets asks for it, and once for all encoders that have
the same transformer inside. An encoder with prompts but no default one puts its query prompt before texts that no
search is made with, as its authors say for multilingual-e5. All are compared item by item, in pairs. Figures of few
texts (--limit) are there to show the way; their intervals say how far off they can be.

Models are folders, or names in $MLING_EMBED_BENCH_MODELS, behind what they are to be called; ``teacher`` is the default
teacher.

python benchmarks/judgement.py OUT --models teacher static "e5 (4-bit)=e5-small" [--limit 300] [--languages de,es,hi]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from alignment_vectors import model_folder
from measure import Measurement, peak_rss_bytes, say, talk
from shared_bodies import Pooled, SharedBody, load_sharing

from mling_embed.encoders.contract import Encoder
from mling_embed.encoders.loading import load
from mling_embed.encoders.packaged_teacher import DEFAULT_TEACHER
from mling_embed.errors import UsageError
from mling_embed.evaluation.comparison import Verdict, compare
from mling_embed.evaluation.reporting.headline import headlines
from mling_embed.evaluation.reporting.report import Report
from mling_embed.evaluation.reporting.tables import by_table
from mling_embed.evaluation.runner import evaluate
from mling_embed.evaluation.suites.groups import load_several
from mling_embed.evaluation.tasks.contract import Task

TEACHER = "teacher"
HEADLINES = ("tatoeba-v1", "stsb-multi-mt across languages", "xquad-r", "sib-200")  # whose means are compared


def judged(
    result: Measurement, models: Mapping[str, str], tasks: Sequence[Task], *, teacher: Encoder, keep: Path
) -> dict[str, Report]:
    """Judge each model; write down its time, its memory and what it encoded."""
    reports, rows = {}, []
    bodies: dict[str, Pooled] = {}
    for name, place in models.items():
        say(f"--- {name}")
        began = time.perf_counter()
        encoder = teacher if place == TEACHER else load_sharing(model_folder(place), bodies, prompt_of=usual_prompt)
        reports[name] = report = evaluate(encoder, tasks, teacher=teacher, name=name, keep=keep, progress=talk)
        if report.encoded is None:
            raise UsageError(f"{name}: nothing was encoded.")
        asked, distinct, computed, seconds = report.encoded
        result.seconds[name] = round(time.perf_counter() - began, 3)
        forwarded = encoder.forwarded if isinstance(encoder, SharedBody) else computed
        row = {"encoder": name, "tasks": len(report), "texts asked for": asked, "different texts": distinct}
        row |= {"vectors made": computed, "texts encoded": forwarded, "encoding seconds": seconds}
        rows.append({**row, "peak GiB so far": peak_rss_bytes() / 2**30, "fingerprint": encoder.fingerprint[:16]})
    result.facts["encoding"] = rows
    return reports


def usual_prompt(model: Any) -> str | None:
    """Return what a model puts before texts without a role if it has no default for them: the prompt of its queries."""
    return None if model.default_prompt_name else model.prompts.get("query") or None


def uses(reports: Mapping[str, Report]) -> list[dict[str, Any]]:
    """Return a row for each table of results: a model's main figure in English, and the others' mean and worst."""
    rows: dict[str, dict[str, Any]] = {}
    for name, report in reports.items():
        for each in headlines(report.results):
            first = {"test set": each.title, "figure": each.figure, "tasks": each.tasks, "n": each.n}
            english = "–" if each.english is None else f"{each.english:.3f}"
            shown = f"{english} / {each.mean:.3f} / {each.worst:.3f} {each.which}"
            rows.setdefault(each.title, first)[f"{name}: en / mean / worst"] = shown
    return list(rows.values())


def scores(reports: Mapping[str, Report]) -> list[dict[str, Any]]:
    """Return a record of each model's main figure on each task."""
    return [
        {
            "suite": title,
            "task": found.label.name,
            "model": name,
            "n": found.n,
            "score": found.score,
            "low": None if found.interval is None else float(f"{found.interval.low:.4g}"),
            "high": None if found.interval is None else float(f"{found.interval.high:.4g}"),
        }
        for name, report in reports.items()
        for title, members in by_table(report.results).items()
        for found in members
    ]


def pairs(reports: Mapping[str, Report]) -> list[dict[str, Any]]:
    """Return for each two models on how many tasks the first is better, worse, or tied."""
    rows = []
    for first, second in combinations(reports, 2):
        compared = compare(reports[first], reports[second])
        verdicts = [row.verdict for row in compared.rows]
        row: dict[str, Any] = {"model": first, "beside": second, "tasks": len(verdicts)}
        rows.append(row | {str(verdict): verdicts.count(verdict) for verdict in Verdict})
    return rows


def main() -> None:
    """Parse the options, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--models", nargs="+", default=[TEACHER], help="NAME or NAME=PLACE")
    parser.add_argument("--tasks", default="standard", help="test sets or groups, with commas")
    parser.add_argument("--languages", default="de,es,it,ru,zh,tr,hi", help="beside English")
    parser.add_argument("--limit", type=int, help="texts of each kind and language in a task [default: the group's]")
    parser.add_argument("--name", default="judgement", help="of the condition")
    options = parser.parse_args()
    result = Measurement(options.name)
    models = {name: place or name for name, _, place in (each.partition("=") for each in options.models)}
    tasks = load_several(options.tasks.split(","), languages=options.languages.split(","), limit=options.limit)
    with TemporaryDirectory() as keep:
        reports = judged(result, models, tasks, teacher=load(DEFAULT_TEACHER), keep=Path(keep))
    result.scores = scores(reports)
    result.facts = {"uses": uses(reports), **result.facts}
    with result.phase("comparing"):
        result.facts["in pairs"] = pairs(reports)
    result.facts |= {"tasks": options.tasks, "limit": options.limit, "languages": options.languages}
    encoded = result.facts["encoding"]
    result.figures = {
        "texts_encoded_twice": float(sum(max(0, row["texts encoded"] - row["different texts"]) for row in encoded)),
        "longest_minutes": max(result.seconds[name] for name in reports) / 60,
    }
    for name, report in reports.items():
        means = {each.title: each.mean for each in headlines(report.results)}
        result.figures |= {f"{title} {name}": means[title] for title in HEADLINES if title in means}
    result.write(options.out)


if __name__ == "__main__":
    main()
