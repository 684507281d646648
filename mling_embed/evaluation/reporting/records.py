"""Results as flat records of plain values: one for each task, then the mean and the worst of each table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mling_embed.evaluation.reporting.tables import MEAN, WORST, by_table, mean_of, summed, worst_of
from mling_embed.evaluation.tasks.contract import TaskResult

KEYS = (
    "suite",
    "task",
    "kind",
    "split",
    "languages",
    "model",
    "n",
    "metric",
    "score",
    "low",
    "high",
    "figures",
    "signature",
)
"""The keys of every record, `None` where there is nothing to say."""


def result_records(results: Sequence[TaskResult], *, model: str) -> list[dict[str, Any]]:
    """Return a record of each result, then of the mean and the worst of each table, with the keys `KEYS`.

    The languages of a worst record are those of the task whose main figure is the worst; its other figures are the
    worst of each.
    """
    records = [_record(result, model) for result in results]
    for title, members in by_table(results).items():
        if counted := summed(members):
            records += _summaries(title, counted, model)
    return records


def _record(result: TaskResult, model: str) -> dict[str, Any]:
    low, high = result.interval or (None, None)
    return {
        "suite": result.label.suite,
        "task": result.label.name,
        "kind": result.type.kind,
        "split": result.label.split,
        "languages": list(result.label.languages),
        "model": model,
        "n": result.n,
        "metric": result.type.main,
        "score": result.score,
        "low": low,
        "high": high,
        "figures": dict(result.figures),
        "signature": result.signature,
    }


def _summaries(title: str, results: Sequence[TaskResult], model: str) -> list[dict[str, Any]]:
    type_ = results[0].type
    splits = {result.label.split for result in results}
    means = {column.figure: mean_of(results, column.figure) for column in type_.columns}
    worsts = {column.figure: worst_of(results, column) for column in type_.columns}
    worst = next(result for result in results if result.score == worsts[type_.main])
    shared = dict.fromkeys(KEYS) | {
        "suite": title,
        "kind": type_.kind,
        "split": splits.pop() if len(splits) == 1 else None,
        "model": model,
        "metric": type_.main,
    }
    n = sum(result.n for result in results)
    return [
        {**shared, "task": MEAN, "n": n, "score": means[type_.main], "figures": means},
        {
            **shared,
            "task": WORST,
            "languages": list(worst.label.languages),
            "score": worsts[type_.main],
            "figures": worsts,
        },
    ]
