"""Compare two students task by task and sentence by sentence, with the teacher beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from full_evaluation import record

from mling_embed.evaluation.tasks.contract import TaskResult
from mling_embed.metrics.significance import sign_test

SIGNIFICANT = 0.05
FOUND = "safe_accuracy"  # of a sentence, whether its translation is the nearest


def beside(
    mine: Sequence[TaskResult], statics: Sequence[TaskResult], teachers: Sequence[TaskResult]
) -> list[dict[str, Any]]:
    """Return the scores of the student beside those of the static one and of the teacher.

    ``won`` and ``lost`` count the sentences whose translation the student found and the static one did not, and the
    other way round; ``p`` is the sign test of them. Other tasks than bitext have no sentences to count.
    """
    rows = []
    for student, static, teacher in zip(mine, statics, teachers, strict=True):
        row = {
            **record(student),
            "static": static.score,
            "teacher": teacher.score,
            "gain": student.score - static.score,
        }
        if FOUND in student.scores.outcomes:
            row |= compared([(student, static)])
        rows.append(row)
    return rows


def by_suite(mine: Sequence[TaskResult], other: Sequence[TaskResult]) -> list[dict[str, Any]]:
    """Return the sentences of each bitext suite that one of two found and the other did not, of all tasks together."""
    suites: dict[str, list[tuple[TaskResult, TaskResult]]] = {}
    for student, static in zip(mine, other, strict=True):
        if FOUND in student.scores.outcomes:
            suites.setdefault(student.label.suite, []).append((student, static))
    return [
        {"suite": suite, "n": sum(student.n for student, _ in pairs), **compared(pairs)}
        for suite, pairs in suites.items()
    ]


def compared(pairs: Sequence[tuple[TaskResult, TaskResult]]) -> dict[str, float]:
    """Count the sentences that one of two encoders found and the other did not, and test the difference."""
    found = [
        (mine, its)
        for one, other in pairs
        for mine, its in zip(one.scores.outcomes[FOUND], other.scores.outcomes[FOUND], strict=True)
    ]
    won, lost = sum(mine > its for mine, its in found), sum(mine < its for mine, its in found)
    return {"won": won, "lost": lost, "p": sign_test(won, lost)}
