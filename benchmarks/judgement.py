"""Judge encoders on every test set there is: the teacher, the static student of a corpus, and others beside them.

Each text is encoded once by each encoder, whatever number of test sets asks for it. The static student is compared
with the teacher item by item. Figures of few texts (--limit) are there to show the way; their intervals say how far
off they can be.

python benchmarks/judgement.py CORPUS OUT [--limit 500] [--languages de,es,hi] [--model e5=FOLDER ...] [--run DIR]
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from measure import Measurement, peak_rss_bytes, say, talk

from mling_embed.distillation.config import read_config
from mling_embed.distillation.run import run
from mling_embed.encoders.packaged_teacher import DEFAULT_TEACHER
from mling_embed.errors import UsageError
from mling_embed.evaluation.comparison import Verdict, compare
from mling_embed.evaluation.reporting.report import Report
from mling_embed.evaluation.reporting.tables import by_table
from mling_embed.evaluation.runner import evaluate
from mling_embed.evaluation.suites.groups import load_tasks
from mling_embed.evaluation.tasks.contract import Task

TEACHER, STATIC = "teacher", "static"


def judged(result: Measurement, encoders: Mapping[str, Any], tasks: Sequence[Task], teacher: Any) -> dict[str, Report]:
    """Judge each encoder; write down its time, its memory and what it encoded."""
    reports, rows = {}, []
    for name, encoder in encoders.items():
        say(f"--- {name}")
        began = time.perf_counter()
        reports[name] = report = evaluate(encoder, tasks, teacher=teacher, name=name, progress=talk)
        if report.encoded is None:
            raise UsageError(f"{name}: nothing was encoded.")
        asked, distinct, computed, seconds = report.encoded
        result.seconds[name] = round(time.perf_counter() - began, 3)
        row = {"encoder": name, "tasks": len(report), "texts asked for": asked, "different texts": distinct}
        rows.append({**row, "texts encoded": computed, "encoding seconds": seconds, "GiB": peak_rss_bytes() / 2**30})
    result.facts["encoding"] = rows
    return reports


def uses(reports: Mapping[str, Report]) -> list[dict[str, Any]]:
    """Return a row for each table of results: its main figure in English, and mean and worst of the other languages."""
    rows: dict[str, dict[str, Any]] = {}
    for name, report in reports.items():
        for title, members in by_table(report.results).items():
            others = [found for found in members if not found.label.is_english] or members
            english = next((found.score for found in members if found.label.is_english), None)
            first = {"test set": title, "figure": members[0].type.main, "tasks": len(members)}
            row = rows.setdefault(title, {**first, "n": sum(found.n for found in members)})
            worst = min(others, key=lambda found: found.score)
            mean = math.fsum(found.score for found in others) / len(others)
            row |= {
                f"{name} en": english,
                f"{name} mean": mean,
                f"{name} worst": f"{worst.score:.3f} {worst.label.name}",
            }
    return list(rows.values())


def main() -> None:
    """Parse the options, distil the static student, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="a folder that `mling-embed data build` made")
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--tasks", default="standard", help="test sets or a group")
    parser.add_argument("--languages", default="de,es,it,ru,zh,tr,hi", help="beside English")
    parser.add_argument("--limit", type=int, default=500, help="texts of each kind and language in a task")
    parser.add_argument("--model", action="append", default=[], help="another encoder: NAME=FOLDER")
    parser.add_argument("--run", type=Path, help="folder of the static student's run [default: a temporary one]")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    result = Measurement("judgement", seeds=[options.seed])
    tasks = [
        task
        for name in options.tasks.split(",")
        for task in load_tasks(name, languages=options.languages.split(","), limit=options.limit)
    ]
    with TemporaryDirectory() as temporary:
        values = {"out": options.run or Path(temporary) / "run", "seed": options.seed}
        config = read_config(None, {**values, "data": {"corpus": options.corpus.absolute()}})
        with result.phase("static student"):
            done = run(config, progress=talk)
        others = dict(each.split("=", 1) for each in options.model)
        reports = judged(result, {TEACHER: DEFAULT_TEACHER, STATIC: done.student, **others}, tasks, DEFAULT_TEACHER)
        compared = compare(reports[STATIC], reports[TEACHER])
        result.facts["uses"] = uses(reports)
        result.facts |= {"corpus": done.corpus.fingerprint, "limit": options.limit, "languages": options.languages}
    verdicts = [row.verdict for row in compared.rows]
    english = [found for found in reports[TEACHER] if found.label.is_english and found.type.kind == "sts"]
    result.figures = {
        "texts_encoded_twice": float(
            sum(row["texts encoded"] - row["different texts"] for row in result.facts["encoding"])
        ),
        "longest_minutes": max(result.seconds[name] for name in reports) / 60,
        "static_better_than_teacher": float(verdicts.count(Verdict.BETTER)),
        "static_worse_than_teacher": float(verdicts.count(Verdict.WORSE)),
        "tied": float(verdicts.count(Verdict.TIED)),
        "teacher_english_sts": max((found.score for found in english), default=math.nan),
    }
    result.write(options.out)


if __name__ == "__main__":
    main()
