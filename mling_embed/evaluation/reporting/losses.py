"""What distillation lost: the student's figures less those that the teacher has in English."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mling_embed.evaluation.reporting.tables import Cell, Table
from mling_embed.evaluation.tasks.contract import TaskResult
from mling_embed.languages import language_name

TITLE = "What distillation loses"


def loss_table(results: Sequence[TaskResult]) -> Table | None:
    """Return a row for each test set that has the teacher's English figure beside it; `None` where there is none.

    The columns: the teacher in English; the student in English less that; the mean of the other languages less that;
    the worst of them, and which it is.
    """
    groups: dict[tuple[str, str], list[TaskResult]] = {}
    for result in results:
        figure = result.type.teacher_figure
        if figure and result.figures.get(figure) is not None:
            groups.setdefault((result.type.table(result.label), result.type.main), []).append(result)
    rows: list[tuple[Cell, ...]] = []
    for (suite, figure), members in groups.items():
        teacher = members[0].figures[members[0].type.teacher_figure] or 0.0
        english = next((result.score for result in members if result.label.is_english), None)
        others = [result for result in members if not result.label.is_english]
        mean = math.fsum(result.score for result in others) / len(others) if others else None
        worst = min(others, key=lambda result: result.score, default=None)
        rows.append(
            (
                suite,
                figure,
                teacher,
                None if english is None else english - teacher,
                None if mean is None else mean - teacher,
                None if worst is None else worst.score - teacher,
                None if worst is None else language_name(worst.label.subject),
            )
        )
    if not rows:
        return None
    header = ("test set", "figure", "teacher, English", "student, English", "other languages", "worst", "which")
    return Table(TITLE, header, tuple(rows))
