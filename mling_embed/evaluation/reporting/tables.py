"""Tables of results: a row for each task, then the mean and the worst of the suite."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mling_embed.evaluation.tasks.results import BitextResult, RetrievalResult, StsResult, TaskResult
from mling_embed.languages import ENGLISH

Cell = str | int | float | None
MEAN, WORST = "mean", "worst"
FEW_PAIRS = 50  # at 50 Wilson's interval of an accuracy of one half is 27 points wide
FEW_MARK = "*"

# Column -> figure of the result.
_COLUMNS: dict[type, dict[str, str]] = {
    BitextResult: {
        "xx->en": "accuracy",
        "low": "accuracy_low",
        "high": "accuracy_high",
        "en->xx": "reverse_accuracy",
        "xx->en safe": "safe_accuracy",
        "en->xx safe": "reverse_safe_accuracy",
        "F1": "f1",
        "xSIM %": "xsim",
        "xx->teacher": "teacher_space_accuracy",
        "teacher->xx": "teacher_space_reverse_accuracy",
    },
    StsResult: {
        "spearman": "spearman",
        "low": "spearman_low",
        "high": "spearman_high",
        "teacher en-en": "teacher_english_spearman",
    },
    RetrievalResult: {
        "nDCG@10": "ndcg_at_10",
        "MRR": "mrr",
        "R@1": "recall_at_1",
        "R@10": "recall_at_10",
        "nDCG@10 teacher index": "teacher_space_ndcg_at_10",
        "teacher en-en": "teacher_english_ndcg_at_10",
    },
}
_NAMED = 5
_LOWER_IS_BETTER = frozenset({"xsim"})
# Names of a bitext table's columns where a target is not English.
_OTHER_TARGET = {
    "xx->en": "src->tgt",
    "en->xx": "tgt->src",
    "xx->en safe": "src->tgt safe",
    "en->xx safe": "tgt->src safe",
}
_NO_SUMMARY = frozenset({"low", "high"})


@dataclass(frozen=True, slots=True)
class Table:
    """Hold a table of plain cells.

    Attributes:
        title: What it shows.
        header: The names of the columns.
        rows: The cells, `None` where there is no figure.
        n_summary: How many of the last rows sum the others up.
        few: The rows that hold an accuracy on fewer than `FEW_PAIRS` pairs.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    n_summary: int = 0
    few: frozenset[int] = frozenset()

    def text_rows(self) -> list[tuple[str, ...]]:
        """Return the cells as text, figures with four decimals."""
        return [tuple(cell_text(cell) for cell in row) for row in self.rows]

    def marked_rows(self) -> list[tuple[str, ...]]:
        """Return the cells as text, for people: `FEW_MARK` stands behind an n that is too small to tell much."""
        return [
            (row[0], row[1] + FEW_MARK, *row[2:]) if place in self.few else row
            for place, row in enumerate(self.text_rows())
        ]

    @property
    def note(self) -> str:
        """What `FEW_MARK` means, if it occurs."""
        if not self.few:
            return ""
        return f"{FEW_MARK} Fewer than {FEW_PAIRS} pairs: the accuracy can be far off, see low and high."


def cell_text(cell: Cell) -> str:
    """Return a cell as text: figures with four decimals, nothing for `None`."""
    if cell is None:
        return ""
    return f"{cell:.4f}" if isinstance(cell, float) else str(cell)


def result_tables(results: Sequence[TaskResult]) -> list[Table]:
    """Return a table for each suite, in the order of the results.

    Similarity within a language and between English and a language are two tables. Mean and worst are over the
    languages: English beside itself has its row but is in neither. A column without any figure is left out.
    """
    groups: dict[str, list[TaskResult]] = {}
    for result in results:
        groups.setdefault(_title(result), []).append(result)
    return [_table(title, members) for title, members in groups.items()]


def summary_records(results: Sequence[TaskResult]) -> list[dict[str, Any]]:
    """Return the mean and worst rows of `result_tables` as dictionaries with the figures' names, for lines of JSON."""
    groups: dict[str, list[TaskResult]] = {}
    for result in results:
        groups.setdefault(_title(result), []).append(result)
    records: list[dict[str, Any]] = []
    for table in result_tables(results):
        names = {"task": "task", "n": "n", **_columns(groups[table.title])}
        for row in table.rows[len(table.rows) - table.n_summary :]:
            cells = zip(table.header, row, strict=True)
            figures = {names[column]: cell for column, cell in cells if column not in _NO_SUMMARY}
            records.append({"suite": table.title, **figures})
    return records


def is_few(result: TaskResult) -> bool:
    """Tell whether a result is an accuracy on too few pairs."""
    return isinstance(result, BitextResult) and result.n < FEW_PAIRS


def few_pairs_warning(results: Sequence[TaskResult]) -> str:
    """Return a sentence about the accuracies on too few pairs, empty if there are none."""
    few = sorted((result for result in results if is_few(result)), key=lambda result: result.n)
    if not few:
        return ""
    named = ", ".join(f"{result.label} {result.n}" for result in few[:_NAMED])
    more = f" and {len(few) - _NAMED} more" if len(few) > _NAMED else ""
    of_dev = any(result.label.split == "dev" for result in few)
    advice = " A larger dev_fraction makes a larger dev split." if of_dev else ""
    return (
        f"warning: {len(few)} of {len(results)} tasks have fewer than {FEW_PAIRS} pairs ({named}{more}): "
        f"their accuracies can be far off, see low and high.{advice}"
    )


def _columns(results: Sequence[TaskResult]) -> dict[str, str]:
    """Return column -> figure of the results of one table."""
    columns = _COLUMNS[type(results[0])]
    if isinstance(results[0], BitextResult) and any(result.label.languages[1] != ENGLISH for result in results):
        return {_OTHER_TARGET.get(column, column): name for column, name in columns.items()}
    return columns


def _title(result: TaskResult) -> str:
    if not isinstance(result, StsResult):
        return result.label.suite
    first, second = result.label.languages
    return f"{result.label.suite} {'within a language' if first == second else 'across languages'}"


def _table(title: str, results: list[TaskResult]) -> Table:
    figures = [result.figures() for result in results]
    columns = {
        column: name
        for column, name in _columns(results).items()
        if any(figure[name] is not None for figure in figures)
    }
    rows: list[tuple[Cell, ...]] = [
        (result.label.name, result.n, *(figure[name] for name in columns.values()))
        for result, figure in zip(results, figures, strict=True)
    ]
    counted = [
        figure for result, figure in zip(results, figures, strict=True) if result.label.languages != (ENGLISH, ENGLISH)
    ]
    n_summary = 0
    if len(counted) > 1:
        total = sum(result.n for result in results if result.label.languages != (ENGLISH, ENGLISH))
        rows.append((MEAN, total, *(_over(counted, column, name, _mean) for column, name in columns.items())))
        rows.append((WORST, None, *(_over(counted, column, name, _worst(name)) for column, name in columns.items())))
        n_summary = 2
    few = frozenset(place for place, result in enumerate(results) if is_few(result))
    return Table(title, ("task", "n", *columns), tuple(rows), n_summary, few)


def _over(
    figures: list[dict[str, float | None]], column: str, name: str, summary: Callable[[list[float]], float]
) -> float | None:
    values = [value for figure in figures if (value := figure[name]) is not None]
    return summary(values) if values and column not in _NO_SUMMARY else None


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return math.fsum(numbers) / len(numbers)


def _worst(name: str) -> Callable[[list[float]], float]:
    return max if name in _LOWER_IS_BETTER else min
