"""Two encoders on the same tasks: how far they are apart, and on which tasks that may be chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mling_embed.errors import UsageError
from mling_embed.evaluation.reporting.records import KEYS
from mling_embed.evaluation.reporting.report import Report
from mling_embed.evaluation.reporting.tables import Cell, Table
from mling_embed.evaluation.tasks.contract import TaskResult
from mling_embed.metrics.confidence import Interval
from mling_embed.metrics.significance import correlation_difference, difference_interval, holm, randomization_test

SIGNIFICANT = 0.05
_DATA = "data:"


class Verdict(StrEnum):
    """Say whether the first of two encoders is better or worse, or that it cannot be told."""

    BETTER = "better"
    WORSE = "worse"
    TIED = "tied"


@dataclass(frozen=True, slots=True)
class Compared:
    """Hold how two encoders compare on a task.

    Attributes:
        result: Of the first.
        other: Of the second.
        figure: What is compared: the main figure, or one whose outcomes are kept.
        interval: The 95% interval of the difference, by the paired bootstrap.
        p: Two-sided, of approximate randomization.
        adjusted_p: The same, adjusted by Holm's method over all tasks.
    """

    result: TaskResult
    other: TaskResult
    figure: str
    interval: Interval
    p: float
    adjusted_p: float

    @property
    def difference(self) -> float:
        """The first's figure less the second's."""
        return (self.result.figures[self.figure] or 0.0) - (self.other.figures[self.figure] or 0.0)

    @property
    def verdict(self) -> Verdict:
        """Whether the first is better, worse, or tied with the second."""
        if self.adjusted_p >= SIGNIFICANT or not self.difference:
            return Verdict.TIED
        lower = any(column.figure == self.figure and column.lower_is_better for column in self.result.type.columns)
        return Verdict.BETTER if (self.difference > 0) != lower else Verdict.WORSE


@dataclass(frozen=True, slots=True)
class Comparison:
    """Hold how two encoders compare on every task that tells it item by item; ``print(comparison)`` gives a table."""

    model: str
    other: str
    rows: tuple[Compared, ...]

    def __str__(self) -> str:
        return self.table().as_text()

    def table(self) -> Table:
        """Return a row for each task, then how often each verdict was given."""
        rows: list[tuple[Cell, ...]] = [
            (
                str(row.result.label),
                row.figure,
                row.result.figures[row.figure],
                row.other.figures[row.figure],
                row.difference,
                *row.interval,
                row.p,
                row.adjusted_p,
                str(row.verdict),
            )
            for row in self.rows
        ]
        verdicts = [row.verdict for row in self.rows]
        counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in Verdict)
        rows.append(("all", None, None, None, None, None, None, None, None, counts))
        header = ("task", "figure", self.model, self.other, "difference", "low", "high", "p", "p (Holm)", "verdict")
        return Table(f"{self.model} beside {self.other}", header, tuple(rows), 1)

    def records(self) -> list[dict[str, Any]]:
        """Return a flat record for each task with the keys of results; its score is the difference."""
        return [
            dict.fromkeys(KEYS)
            | {
                "suite": row.result.label.suite,
                "task": row.result.label.name,
                "kind": "comparison",
                "split": row.result.label.split,
                "languages": list(row.result.label.languages),
                "model": f"{self.model} - {self.other}",
                "n": row.result.n,
                "metric": row.figure,
                "score": row.difference,
                "low": row.interval.low,
                "high": row.interval.high,
                "figures": {"p": row.p, "p_holm": row.adjusted_p, "verdict": str(row.verdict)},
                "signature": f"{row.result.signature} - {row.other.signature}",
            }
            for row in self.rows
        ]


def compare(first: Report, second: Report) -> Comparison:
    """Compare two encoders task by task.

    A difference is tested over the items of its task (sentences, queries, pairs), and adjusted for the number of tasks.
    Tasks whose figures are no means over items, such as geometry, are left out.

    Raises:
        UsageError: They were measured on other tasks, or on other data.
    """
    if len(first) != len(second):
        raise UsageError(f"{len(first)} tasks against {len(second)}: expected the same.")
    found = []
    for result, other in zip(first, second, strict=True):
        if (result.label, _data_of(result)) != (other.label, _data_of(other)):
            raise UsageError(f"{result.label} and {other.label} were not measured on the same data.")
        tested = _tested(result, other)
        if tested is not None:
            found.append((result, other, *tested))
    adjusted = holm([p for *_, p in found])
    rows = (
        Compared(result, other, figure, interval, p, each)
        for (result, other, figure, interval, p), each in zip(found, adjusted, strict=True)
    )
    return Comparison(first.model, second.model, tuple(rows))


def _tested(result: TaskResult, other: TaskResult) -> tuple[str, Interval, float] | None:
    main = result.type.main
    if result.scores.correlated is not None and other.scores.correlated is not None:
        values, gold = result.scores.correlated
        interval, p = correlation_difference(values, other.scores.correlated[0], gold)
        return main, interval, p
    outcomes, others = result.scores.outcomes, other.scores.outcomes
    figure = main if main in outcomes else next(iter(outcomes), "")
    if not figure:
        return None
    pair: tuple[Sequence[float], Sequence[float]] = outcomes[figure], others[figure]
    return figure, difference_interval(*pair), randomization_test(*pair)


def _data_of(result: TaskResult) -> str:
    return next((part for part in result.signature.split("|") if part.startswith(_DATA)), "")
