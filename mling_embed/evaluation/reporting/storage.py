"""What shorter vectors and coarser numbers cost: accuracy by dimension and precision, beside the bytes of a vector."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from mling_embed.evaluation.reporting.tables import Cell, Table
from mling_embed.evaluation.tasks.bitext import BitextTask
from mling_embed.evaluation.tasks.contract import Task, spread
from mling_embed.evaluation.vectors import Vectors
from mling_embed.neighbors.vectors import unit_rows

DIMENSIONS = (512, 256, 128, 64, 32)
"""Beside the vectors as they are, those of them that are fewer."""
MOST_LANGUAGES, MOST_SENTENCES = 8, 300
_STEPS = 127  # of an int8 on either side of zero

Rows = Float32[ndarray, "_ _"]  # (n, dim)
Both = tuple[Rows, Rows]


def storage_table(tasks: Sequence[Task], vectors: Vectors) -> Table | None:
    """Return the accuracy of translation search by the first numbers of a vector, in three precisions.

    Measured on some languages and sentences of the test set with the most languages: mean of both directions. int8 has
    one scale a dimension; binary keeps the signs. `None` without such a test set.
    """
    suites: dict[str, list[BitextTask]] = {}
    for task in tasks:
        if isinstance(task, BitextTask) and not task.label.is_english:
            suites.setdefault(task.label.suite, []).append(task)
    if not suites:
        return None
    suite, members = max(suites.items(), key=lambda item: len(item[1]))
    chosen = [members[place].capped(MOST_SENTENCES) for place in spread(len(members), MOST_LANGUAGES)]
    sides = [(vectors.of(task.source_texts), vectors.of(task.target_texts)) for task in chosen]
    rows: list[tuple[Cell, ...]] = []
    for dim in (vectors.dim, *(each for each in DIMENSIONS if each < vectors.dim)):
        found = (float(np.mean([_accuracy(coarse(*_cut(side, dim))) for side in sides])) for coarse in _COARSE.values())
        rows.append((str(dim), *found, 4 * dim, dim, -(-dim // 8)))
    most, named = max(len(task.source_texts) for task in chosen), ", ".join(task.label.subject for task in chosen)
    title = f"Dimensions and precision: {suite}, accuracy among {most} sentences, mean of {named}"
    header = ("dimensions", *_COARSE, *(f"bytes {name}" for name in _COARSE))
    return Table(title, header, tuple(rows))


def _cut(sides: Both, dim: int) -> Both:
    first, second = (unit_rows(np.ascontiguousarray(side[:, :dim])) for side in sides)
    return first, second


def _int8(first: Rows, second: Rows) -> Both:
    """Round each dimension to whole steps of its largest number over the steps of an int8."""
    largest = np.maximum(np.abs(first).max(axis=0), np.abs(second).max(axis=0))
    scale = np.where(largest > 0, largest, 1) / _STEPS
    rounded = (np.rint(side / scale).astype(np.int8) * scale.astype(np.float32) for side in (first, second))
    one, other = (unit_rows(side.astype(np.float32)) for side in rounded)
    return one, other


def _binary(first: Rows, second: Rows) -> Both:
    """Keep the signs: their dot product falls as the Hamming distance rises."""
    return np.where(first > 0, 1, -1).astype(np.float32), np.where(second > 0, 1, -1).astype(np.float32)


_COARSE: Mapping[str, Callable[[Rows, Rows], Both]] = {
    "float32": lambda first, second: (first, second),
    "int8": _int8,
    "binary": _binary,
}


def _accuracy(sides: Both) -> float:
    """Return how often the nearest is the translation, both ways."""
    scores = sides[0] @ sides[1].T
    right = np.arange(len(scores))
    return float(np.mean([(scores.argmax(axis=axis) == right).mean() for axis in (0, 1)]))
