"""An evaluation in one table: a row for each test set, with English, the mean of the other languages, and the worst."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mling_embed.evaluation.reporting.tables import Table, by_table, mean_of
from mling_embed.evaluation.tasks.contract import TaskResult, foreign

TITLE = "At a glance"


class Headline(NamedTuple):
    """Sum up a test set by its main figure.

    Attributes:
        title: Of its table.
        figure: What its main figure is called.
        tasks: How many there are.
        n: Pairs, queries, or whatever is counted, of all tasks.
        english: Of English alone; `None` where that is not measured.
        mean: Of all other tasks.
        worst: Of these.
        which: Name of the worst.
    """

    title: str
    figure: str
    tasks: int
    n: int
    english: float | None
    mean: float
    worst: float
    which: str


def headlines(results: Sequence[TaskResult]) -> list[Headline]:
    """Return a row for each table of results, in their order."""
    rows = []
    for title, members in by_table(results).items():
        column, others = members[0].type.columns[0], foreign(members)
        worst = (max if column.lower_is_better else min)(others, key=lambda found: found.score)
        english = next((found.score for found in members if found.label.is_english), None)
        header = column.header.format(source="xx", target="en")
        mean = mean_of(others, column.figure) or 0.0
        n = sum(found.n for found in members)
        rows.append(Headline(title, header, len(members), n, english, mean, worst.score, worst.label.name))
    return rows


def headline_table(results: Sequence[TaskResult]) -> Table | None:
    """Return the rows as a table; `None` where nothing was measured."""
    header = ("test set", "English", "other languages", "worst", "which", "figure", "tasks", "n")
    rows = tuple(
        (each.title, each.english, each.mean, each.worst, each.which, each.figure, each.tasks, each.n)
        for each in headlines(results)
    )
    return Table(TITLE, header, rows) if rows else None
