"""Semantic textual similarity: do cosines rank sentence pairs as people do?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from mling_embed.errors import DataError, UsageError
from mling_embed.evaluation.charts import Chart
from mling_embed.evaluation.tasks.contract import Column, Scores, TaskLabel, TaskResult, TaskType, foreign, spread
from mling_embed.evaluation.vectors import Texts, Vectors
from mling_embed.languages import ENGLISH
from mling_embed.metrics.confidence import spearman_interval
from mling_embed.metrics.sts import pair_cosines, pearson, spearman


def _chart(suite: str, results: Sequence[TaskResult]) -> Chart:
    bars: dict[str, list[float | None]] = {}
    for result in foreign(results):
        one, other = result.label.languages
        bars.setdefault(result.label.subject, [None, None])[0 if one == other else 1] = result.score
    return Chart(
        f"Similarity: {suite}",
        "Spearman's correlation of cosines with people's scores, both sentences in a language or the first in English.",
        ("within the language", "English beside it"),
        bars,
        emphasis="within the language",
        reference=results[0].figures.get("teacher_english_spearman"),
        reference_label="teacher, English",
    )


def _table(label: TaskLabel) -> str:
    first, second = label.languages
    return f"{label.suite} {'within a language' if first == second else 'across languages'}"


STS = TaskType(
    kind="sts",
    columns=(
        Column("spearman", "spearman"),
        Column("pearson", "pearson"),
        Column("teacher en-en", "teacher_english_spearman"),
    ),
    chart=_chart,
    settings="similarity:cosine bootstrap:1000,seed0",
    teacher_figure="teacher_english_spearman",
    mteb_names={"spearman": "cosine_spearman", "pearson": "cosine_pearson"},
    table=_table,
)


@dataclass(frozen=True, slots=True)
class StsTask:
    """Hold sentence pairs and the similarity that people gave them.

    Its figures: Spearman's rank correlation of cosines with people's scores, with its bootstrap interval; Pearson's.

    Raises:
        DataError: The columns differ in length, hold fewer than two pairs, or a score is not finite, or all are equal.
    """

    label: TaskLabel
    sentences1: Sequence[str]
    sentences2: Sequence[str]
    scores: Sequence[float]

    type: ClassVar[TaskType] = STS

    def __post_init__(self) -> None:
        where = str(self.label)
        sizes = (len(self.sentences1), len(self.sentences2), len(self.scores))
        if len(set(sizes)) != 1:
            raise DataError(f"columns of {sizes[0]}, {sizes[1]} and {sizes[2]} rows; expected as many.", where=where)
        if not all(math.isfinite(score) for score in self.scores):
            raise DataError("a score is not a finite number.", where=where)
        if len(set(self.scores)) < 2:
            raise DataError(f"{sizes[0]} pairs without two different scores cannot be ranked.", where=where)

    def capped(self, limit: int) -> StsTask:
        """Return the task with at most `limit` pairs."""
        rows = spread(len(self.scores), limit)
        return replace(
            self,
            sentences1=[self.sentences1[row] for row in rows],
            sentences2=[self.sentences2[row] for row in rows],
            scores=[self.scores[row] for row in rows],
        )

    def texts(self) -> Iterator[Texts]:
        """Yield the sentences."""
        yield None, self.sentences1
        yield None, self.sentences2

    def teacher_texts(self) -> Iterator[Texts]:
        """Yield the sentences, if both sides are English."""
        if self.label.languages == (ENGLISH, ENGLISH):
            yield from self.texts()

    def score(self, vectors: Vectors, teacher: Vectors | None = None) -> Scores:
        """Correlate the cosines of the pairs with people's scores."""
        gold = np.asarray(self.scores, dtype=np.float64)
        cosines = pair_cosines(vectors.of(self.sentences1), vectors.of(self.sentences2))
        try:
            correlation = spearman(cosines, gold)
        except UsageError as error:
            raise UsageError(
                f"the encoder gives every pair the same similarity ({error.what})",
                where=str(self.label),
                next_step="It has collapsed: look at its training.",
            ) from error
        figures = {"spearman": correlation, "pearson": pearson(cosines, gold)}
        correlated = (cosines.tolist(), gold.tolist())
        return Scores(len(gold), figures, spearman_interval(cosines, gold), correlated=correlated)
