"""Tables of results: a row for each task, then the mean and the worst of the suite."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mling_embed.evaluation.tasks.contract import Column, TaskResult
from mling_embed.languages import ENGLISH

Cell = str | int | float | None
MEAN, WORST = "mean", "worst"
FEW_MARK = "*"

_NAMED = 5
_LOW, _HIGH = "low", "high"


@dataclass(frozen=True, slots=True)
class Table:
    """Hold a table of plain cells.

    Attributes:
        title: What it shows.
        header: The names of the columns.
        rows: The cells, `None` where there is no figure.
        n_summary: How many of the last rows sum the others up.
        few: The rows whose main figure comes of too little.
        enough: What would not be too little.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    n_summary: int = 0
    few: frozenset[int] = frozenset()
    enough: int = 0

    def text_rows(self) -> list[tuple[str, ...]]:
        """Return the cells as text, figures with four decimals."""
        return [tuple(cell_text(cell) for cell in row) for row in self.rows]

    def marked_rows(self) -> list[tuple[str, ...]]:
        """Return the cells as text, for people: `FEW_MARK` stands behind an n that is too small to tell much."""
        return [
            (row[0], row[1] + FEW_MARK, *row[2:]) if place in self.few else row
            for place, row in enumerate(self.text_rows())
        ]

    def as_text(self) -> str:
        """Return the table as lines of aligned text, for a console."""
        rows = [self.header, *self.marked_rows()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = (
            "  ".join(cell.rjust(width) if place else cell.ljust(width) for place, (cell, width) in enumerate(cells))
            for cells in (list(zip(row, widths, strict=True)) for row in rows)
        )
        return "\n".join([self.title, *(line.rstrip() for line in lines), *([self.note] if self.note else [])])

    @property
    def note(self) -> str:
        """What `FEW_MARK` means, if it occurs."""
        if not self.few:
            return ""
        return f"{FEW_MARK} Fewer than {self.enough} pairs: the accuracy can be far off, see low and high."


def cell_text(cell: Cell) -> str:
    """Return a cell as text: figures with four decimals, nothing for `None`."""
    if cell is None:
        return ""
    return f"{cell:.4f}" if isinstance(cell, float) else str(cell)


def result_tables(results: Sequence[TaskResult]) -> list[Table]:
    """Return a table for each suite, in the order of the results.

    Mean and worst are over the languages: English beside itself has its row but is in neither. A column without any
    figure is left out.
    """
    return [_table(title, members) for title, members in by_table(results).items()]


def by_table(results: Sequence[TaskResult]) -> dict[str, list[TaskResult]]:
    """Return the results that share a table, by its title."""
    groups: dict[tuple[str, str], list[TaskResult]] = {}
    for result in results:
        groups.setdefault((result.type.table(result.label), result.type.kind), []).append(result)
    titles = [title for title, _ in groups]
    return {
        title if titles.count(title) == 1 else f"{title} {kind}": members for (title, kind), members in groups.items()
    }


def few_warning(results: Sequence[TaskResult]) -> str:
    """Return a sentence about the main figures that come of too little, empty if there are none."""
    few = sorted((result for result in results if result.is_few), key=lambda result: result.n)
    if not few:
        return ""
    named = ", ".join(f"{result.label} {result.n}" for result in few[:_NAMED])
    more = f" and {len(few) - _NAMED} more" if len(few) > _NAMED else ""
    of_dev = any(result.label.split == "dev" for result in few)
    advice = " A larger dev_fraction makes a larger dev split." if of_dev else ""
    return (
        f"warning: {len(few)} of {len(results)} tasks have fewer than {max(result.type.few for result in few)} pairs "
        f"({named}{more}): their accuracies can be far off, see low and high.{advice}"
    )


def mean_of(results: Sequence[TaskResult], figure: str) -> float | None:
    """Return the mean of a figure over the results that have it."""
    values = _values(results, figure)
    return math.fsum(values) / len(values) if values else None


def worst_of(results: Sequence[TaskResult], column: Column) -> float | None:
    """Return the worst of a column's figures."""
    return (max if column.lower_is_better else min)(_values(results, column.figure), default=None)


def summed(results: Sequence[TaskResult]) -> list[TaskResult]:
    """Return the results of a table that its mean and worst are over: none if there is but one."""
    counted = [result for result in results if not result.label.is_english]
    return counted if len(counted) > 1 else []


def _values(results: Sequence[TaskResult], figure: str) -> list[float]:
    return [value for result in results if (value := result.figures.get(figure)) is not None]


def _header(column: Column, results: Sequence[TaskResult]) -> str:
    english = all(result.label.languages[-1] == ENGLISH for result in results)
    return column.header.format(source="xx" if english else "src", target="en" if english else "tgt")


def _table(title: str, results: Sequence[TaskResult]) -> Table:
    first, *others = results[0].type.columns
    others = [column for column in others if _values(results, column.figure)]
    bounds = (_LOW, _HIGH) if any(result.interval for result in results) else ()
    rows: list[tuple[Cell, ...]] = [
        (
            result.label.name,
            result.n,
            result.score,
            *((result.interval or (None, None)) if bounds else ()),
            *(result.figures.get(column.figure) for column in others),
        )
        for result in results
    ]
    counted, no_bounds = summed(results), (None,) * len(bounds)
    if counted:
        mean, *means = (mean_of(counted, column.figure) for column in (first, *others))
        rows.append((MEAN, sum(result.n for result in counted), mean, *no_bounds, *means))
        worst, *worsts = (worst_of(counted, column) for column in (first, *others))
        rows.append((WORST, None, worst, *no_bounds, *worsts))
    header = ("task", "n", _header(first, results), *bounds, *(_header(column, results) for column in others))
    few = frozenset(place for place, result in enumerate(results) if result.is_few)
    return Table(title, header, tuple(rows), 2 if counted else 0, few, max(result.type.few for result in results))
