"""Language bias: are cosines of one scale in every language pair, so that all can be ranked together?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from mling_embed.errors import DataError
from mling_embed.evaluation.charts import Chart
from mling_embed.evaluation.tasks.contract import Column, Scores, TaskLabel, TaskResult, TaskType, spread
from mling_embed.evaluation.vectors import Texts, Vectors
from mling_embed.metrics.confidence import spearman_interval
from mling_embed.metrics.sts import pair_cosines, spearman


def _chart(suite: str, results: Sequence[TaskResult]) -> Chart:
    return Chart(
        f"Similarity across mixed languages: {suite}",
        "Spearman's correlation over sentence pairs of all language pairs together, beside the mean of each by itself.",
        ("together", "each by itself"),
        {result.label.name: (result.score, result.figures["separate_spearman"]) for result in results},
        emphasis="together",
    )


MIXED_SIMILARITY = TaskType(
    kind="mixed-similarity",
    columns=(
        Column("spearman", "spearman"),
        Column("separate", "separate_spearman"),
        Column("language bias", "language_bias", lower_is_better=True),
    ),
    chart=_chart,
    settings="similarity:cosine bootstrap:1000,seed0",
)


@dataclass(frozen=True, slots=True)
class MixedSimilarityTask:
    """Hold scored sentence pairs of many language pairs.

    Its figures: Spearman's correlation over all of them together; the mean of the language pairs, each by itself; and
    the language bias, by which the former is lower (Reimers and Gurevych 2020, table 8).

    Raises:
        DataError: The columns differ in length, or a language pair has fewer than two different scores.
    """

    label: TaskLabel
    sentences1: Sequence[str]
    sentences2: Sequence[str]
    scores: Sequence[float]
    pairs: Sequence[str]

    type: ClassVar[TaskType] = MIXED_SIMILARITY

    def __post_init__(self) -> None:
        sizes = {len(self.sentences1), len(self.sentences2), len(self.scores), len(self.pairs)}
        if len(sizes) != 1 or not self.scores:
            raise DataError("columns of different lengths, or empty ones.", where=str(self.label))
        for pair, rows in self._groups().items():
            if len({self.scores[row] for row in rows}) < 2:
                raise DataError(f"'{pair}' has fewer than two different scores.", where=str(self.label))

    def _groups(self) -> dict[str, list[int]]:
        groups: dict[str, list[int]] = {}
        for row, pair in enumerate(self.pairs):
            groups.setdefault(pair, []).append(row)
        return groups

    def capped(self, limit: int) -> MixedSimilarityTask:
        """Return the task with at most `limit` sentence pairs of each language pair."""
        rows = sorted(group[place] for group in self._groups().values() for place in spread(len(group), limit))
        return replace(
            self,
            sentences1=[self.sentences1[row] for row in rows],
            sentences2=[self.sentences2[row] for row in rows],
            scores=[self.scores[row] for row in rows],
            pairs=[self.pairs[row] for row in rows],
        )

    def texts(self) -> Iterator[Texts]:
        """Yield the sentences."""
        yield None, self.sentences1
        yield None, self.sentences2

    def teacher_texts(self) -> Iterator[Texts]:
        """Yield nothing: no figure of a teacher stands beside."""
        yield from ()

    def score(self, vectors: Vectors, teacher: Vectors | None = None) -> Scores:
        """Correlate the cosines with people's scores, all together and each language pair by itself."""
        gold = np.asarray(self.scores, dtype=np.float64)
        cosines = pair_cosines(vectors.of(self.sentences1), vectors.of(self.sentences2))
        each = [spearman(cosines[rows], gold[rows]) for rows in self._groups().values()]
        together, separate = spearman(cosines, gold), math.fsum(each) / len(each)
        figures = {"spearman": together, "separate_spearman": separate, "language_bias": separate - together}
        correlated = (cosines.tolist(), gold.tolist())
        return Scores(len(gold), figures, spearman_interval(cosines, gold), correlated=correlated)
