"""Distractors: is the translation nearer than sentences that were changed in one thing that matters?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from mling_embed.errors import DataError
from mling_embed.evaluation.charts import Chart
from mling_embed.evaluation.tasks.contract import Column, Scores, TaskLabel, TaskResult, TaskType, spread
from mling_embed.evaluation.vectors import Texts, Vectors
from mling_embed.evaluation.written_distractors import Change, Distractor
from mling_embed.metrics.confidence import wilson_interval
from mling_embed.metrics.sts import pair_cosines
from mling_embed.metrics.xsim import xsim_errors

MISALIGNED = "misaligned"  # an error that is no distractor: another sentence's translation


def _chart(suite: str, results: Sequence[TaskResult]) -> Chart:
    return Chart(
        f"Written distractors: {suite}",
        "Share of sentences whose translation is nearer than every changed version of it, and (100 less xSIM++) than "
        "all translations and changed versions of all sentences.",
        ("among its own", "among all"),
        {result.label.subject: (result.score, 1 - _error(result)) for result in results},
        emphasis="among its own",
    )


def _error(result: TaskResult) -> float:
    return (result.figures["xsimpp"] or 0.0) / 100


DISTRACTORS = TaskType(
    kind="distractors",
    columns=(
        Column("CLSD", "accuracy"),
        Column("xSIM++ %", "xsimpp", lower_is_better=True),
        Column("entity %", "xsimpp_entity", lower_is_better=True),
        Column("number %", "xsimpp_number", lower_is_better=True),
        Column("causality %", "xsimpp_causality", lower_is_better=True),
        Column("misaligned %", "xsimpp_misaligned", lower_is_better=True),
    ),
    chart=_chart,
    settings="similarity:cosine xsim++:ratio,k4 distractors:written-here",
)


@dataclass(frozen=True, slots=True)
class DistractorsTask:
    """Hold sentences, their English translations, and changed versions of these.

    Its figures: cross-lingual semantic discrimination (CLSD), the share of sentences that are strictly nearer to their
    translation than to each changed version of it, of those that have one; xSIM++, the error in percent of searching
    all translations and changed versions by ratio margin; and that error by what was found instead.

    Raises:
        DataError: The sides differ in length, there is no distractor, or one is of a sentence that is not there.
    """

    label: TaskLabel
    source_texts: Sequence[str]
    target_texts: Sequence[str]
    distractors: Sequence[Distractor]

    type: ClassVar[TaskType] = DISTRACTORS

    def __post_init__(self) -> None:
        where, n = str(self.label), len(self.target_texts)
        if len(self.source_texts) != n or not n or not self.distractors:
            raise DataError(
                f"{len(self.source_texts)} and {n} sentences with {len(self.distractors)} distractors; expected as "
                "many sentences, and a distractor.",
                where=where,
            )
        if any(not 0 <= each.row < n for each in self.distractors):
            raise DataError("a distractor of a sentence that is not there.", where=where)

    def capped(self, limit: int) -> DistractorsTask:
        """Return the task with at most `limit` pairs, and the distractors of these."""
        rows = spread(len(self.source_texts), limit)
        places = {row: place for place, row in enumerate(rows)}
        return replace(
            self,
            source_texts=[self.source_texts[row] for row in rows],
            target_texts=[self.target_texts[row] for row in rows],
            distractors=[each._replace(row=places[each.row]) for each in self.distractors if each.row in places],
        )

    def texts(self) -> Iterator[Texts]:
        """Yield both sides and the distractors."""
        yield None, self.source_texts
        yield None, self.target_texts
        yield None, [each.text for each in self.distractors]

    def teacher_texts(self) -> Iterator[Texts]:
        """Yield nothing: no figure of a teacher stands beside."""
        yield from ()

    def score(self, vectors: Vectors, teacher: Vectors | None = None) -> Scores:
        """Compare the translations with the distractors, and search among all of them."""
        source, target = vectors.of(self.source_texts), vectors.of(self.target_texts)
        changed = vectors.of([each.text for each in self.distractors])
        own_rows = np.array([each.row for each in self.distractors])
        nearest = np.full(len(source), -np.inf)
        np.maximum.at(nearest, own_rows, pair_cosines(source[own_rows], changed))
        having = np.unique(own_rows)
        right = (pair_cosines(source, target) > nearest)[having]
        candidates = [*self.target_texts, *(each.text for each in self.distractors)]
        errors = xsim_errors(source, np.concatenate([target, changed]), target_texts=candidates)
        kinds = Counter(self._kind(row, found) for row, found in errors)
        figures: dict[str, float | None] = {
            "accuracy": float(right.mean()),
            "xsimpp": 100 * len(errors) / len(source),
            "mean_distractors": len(self.distractors) / len(source),
        }
        figures |= {f"xsimpp_{kind}": 100 * kinds[kind] / len(source) for kind in (*map(str, Change), MISALIGNED)}
        return Scores(
            n=len(having),
            figures=figures,
            interval=wilson_interval(int(right.sum()), len(having)),
            outcomes={"accuracy": right.astype(float).tolist()},
        )

    def _kind(self, row: int, found: int) -> str:
        """Return what was found instead of a row's translation: its own distractor of a kind, or something else."""
        other = found - len(self.target_texts)
        if other >= 0 and self.distractors[other].row == row:
            return str(self.distractors[other].change)
        return MISALIGNED
