"""Bitext: is the nearest sentence of the other language the translation?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from mling_embed.errors import DataError
from mling_embed.evaluation.charts import Chart
from mling_embed.evaluation.exhibits import Mistake
from mling_embed.evaluation.tasks.contract import Column, Scores, TaskLabel, TaskResult, TaskType, spread
from mling_embed.evaluation.vectors import Texts, Vectors
from mling_embed.languages import ENGLISH, language_name
from mling_embed.metrics.bitext import BitextScores, DirectionScores, bitext_scores
from mling_embed.metrics.margin import mean_margin
from mling_embed.metrics.sts import pair_cosines
from mling_embed.metrics.xsim import xsim
from mling_embed.neighbors.vectors import unit_rows

MOST_MISTAKES = 5
FEW_PAIRS = 50  # at 50 Wilson's interval of an accuracy of one half is 27 points wide


def _chart(suite: str, results: Sequence[TaskResult]) -> Chart:
    english = all(result.label.languages[1] == ENGLISH for result in results)
    series = ("to English", "from English") if english else ("source to target", "target to source")
    few = [f"{language_name(result.label.subject)} {result.n}" for result in results if result.is_few]
    caption = "Share of sentences whose nearest neighbor in the other language is their translation."
    if few:
        caption += f" On fewer than {FEW_PAIRS} pairs, so that it can be far off: {', '.join(few)}."
    bars = {
        result.label.subject: (result.figures["accuracy"], result.figures["reverse_accuracy"]) for result in results
    }
    return Chart(f"Translation accuracy: {suite}", caption, series, bars, emphasis=series[0])


BITEXT = TaskType(
    kind="bitext",
    columns=(
        Column("{source}->{target}", "accuracy"),
        Column("{target}->{source}", "reverse_accuracy"),
        Column("{source}->{target} safe", "safe_accuracy"),
        Column("{target}->{source} safe", "reverse_safe_accuracy"),
        Column("F1", "f1"),
        Column("xSIM %", "xsim", lower_is_better=True),
        Column("margin", "mean_margin"),
        Column("tokens", "token_premium", lower_is_better=True),
        Column("{source}->teacher", "teacher_space_accuracy"),
        Column("teacher->{source}", "teacher_space_reverse_accuracy"),
    ),
    chart=_chart,
    settings="nn:cosine xsim:ratio,k4",
    asymmetric_figure="teacher_space_accuracy",
    mteb_main="f1",
    few=FEW_PAIRS,
)


@dataclass(frozen=True, slots=True)
class BitextTask:
    """Hold sentences and their translations: row i of the sources translates row i of the targets.

    Its figures: accuracy of 1-nearest-neighbor search by cosine in both directions, once more with duplicate texts
    counted as right (safe), weighted F1 from source to target as MTEB has it, xSIM by text in percent, the mean ratio
    margin of the pairs, the sources' tokens as a multiple of the targets' (Petrov et al. 2023); and, with a teacher and
    an English target, the accuracies with the English side encoded by the teacher, which is what an index of its
    vectors gives.

    Raises:
        DataError: The sides differ in length or are empty.
    """

    label: TaskLabel
    source_texts: Sequence[str]
    target_texts: Sequence[str]

    type: ClassVar[TaskType] = BITEXT

    def __post_init__(self) -> None:
        if len(self.source_texts) != len(self.target_texts) or not self.source_texts:
            raise DataError(
                f"{len(self.source_texts)} source sentences and {len(self.target_texts)} target sentences; "
                "expected as many, at least one.",
                where=str(self.label),
            )

    def capped(self, limit: int) -> BitextTask:
        """Return the task with at most `limit` pairs."""
        rows = spread(len(self.source_texts), limit)
        sources, targets = ([side[row] for row in rows] for side in (self.source_texts, self.target_texts))
        return replace(self, source_texts=sources, target_texts=targets)

    def texts(self) -> Iterator[Texts]:
        """Yield both sides."""
        yield None, self.source_texts
        yield None, self.target_texts

    def teacher_texts(self) -> Iterator[Texts]:
        """Yield the targets, if they are English."""
        if self.label.languages[1] == ENGLISH:
            yield None, self.target_texts

    def score(self, vectors: Vectors, teacher: Vectors | None = None) -> Scores:
        """Search each side among the other."""
        source, target = vectors.of(self.source_texts), vectors.of(self.target_texts)
        found = self._searched(source, target)
        space = self._searched(source, teacher.of(self.target_texts)) if teacher is not None else None
        forward, backward = found.forward, found.backward
        return Scores(
            n=forward.n,
            figures={
                "accuracy": forward.accuracy,
                "reverse_accuracy": backward.accuracy,
                "reverse_accuracy_low": backward.interval.low,
                "reverse_accuracy_high": backward.interval.high,
                "safe_accuracy": forward.safe_accuracy,
                "reverse_safe_accuracy": backward.safe_accuracy,
                "f1": forward.f1,
                "xsim": xsim(source, target, target_texts=self.target_texts),
                "mean_margin": mean_margin(source, target),
                "token_premium": self._token_premium(vectors),
                "teacher_space_accuracy": space.forward.accuracy if space else None,
                "teacher_space_reverse_accuracy": space.backward.accuracy if space else None,
            },
            interval=forward.interval,
            outcomes={"safe_accuracy": _rights(forward), "reverse_safe_accuracy": _rights(backward)},
            similarities=_similarities(source, target),
            mistakes=self._mistakes(source, target, forward.missed),
        )

    def _mistakes(
        self, source: Float32[ndarray, "n_pairs dim"], target: Float32[ndarray, "n_pairs dim"], missed: Sequence[int]
    ) -> list[Mistake]:
        """Return the worst of the missed rows: those to which the wrong sentence is nearer by most."""
        rows = list(missed)
        cosines = unit_rows(source[rows]) @ unit_rows(target).T
        found = [
            Mistake(
                self.label.languages[0],
                self.source_texts[row],
                self.target_texts[row],
                self.target_texts[int(near.argmax())],
                float(near[row]),
                float(near.max()),
            )
            for row, near in zip(rows, cosines, strict=True)
        ]
        return sorted(found, key=lambda each: -each.gap)[:MOST_MISTAKES]

    def _token_premium(self, vectors: Vectors) -> float | None:
        sources, targets = (vectors.n_tokens(side) for side in (self.source_texts, self.target_texts))
        return sources / targets if sources and targets else None

    def _searched(
        self, source: Float32[ndarray, "n_pairs dim"], target: Float32[ndarray, "n_pairs dim"]
    ) -> BitextScores:
        return bitext_scores(source, target, source_texts=self.source_texts, target_texts=self.target_texts)


def _similarities(
    source: Float32[ndarray, "n_pairs dim"], target: Float32[ndarray, "n_pairs dim"]
) -> tuple[list[float], list[float]] | None:
    """Return the cosines of the pairs, and of each source with a target half the list away; `None` of one pair."""
    if len(source) < 2:
        return None
    other = np.roll(target, len(target) // 2, axis=0)
    return pair_cosines(source, target).tolist(), pair_cosines(source, other).tolist()


def _rights(direction: DirectionScores) -> tuple[float, ...]:
    missed = set(direction.missed)
    return tuple(float(row not in missed) for row in range(direction.n))
