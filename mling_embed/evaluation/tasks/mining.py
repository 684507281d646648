"""Mining: are the sentences that have a translation on the other side told from those that have none?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from mling_embed.errors import DataError, UsageError
from mling_embed.evaluation.charts import Chart
from mling_embed.evaluation.tasks.contract import (
    Column,
    Scores,
    TaskLabel,
    TaskResult,
    TaskType,
    capped_pool,
    spread,
)
from mling_embed.evaluation.vectors import Texts, Vectors
from mling_embed.metrics.bucc import BuccScores, best_threshold, bucc_scores
from mling_embed.neighbors.margins import DEFAULT_K, best_by_margin
from mling_embed.neighbors.vectors import unit_rows


def _chart(suite: str, results: Sequence[TaskResult]) -> Chart:
    return Chart(
        f"Mining: {suite}",
        "F1 of the pairs mined from two sides of which a part corresponds, at a threshold tuned on other sentences.",
        ("F1", "precision", "recall"),
        {
            result.label.subject: (result.score, result.figures["precision"], result.figures["recall"])
            for result in results
        },
        emphasis="F1",
    )


MINING = TaskType(
    kind="mining",
    columns=(Column("F1", "bucc_f1"), Column("precision", "precision"), Column("recall", "recall")),
    chart=_chart,
    settings=f"mining:forward,ratio,k{DEFAULT_K} threshold:two-fold",
)


@dataclass(frozen=True, slots=True)
class MiningTask:
    """Hold two sides of sentences, and the rows of both that translate each other: some have no counterpart.

    Its figures: F1, precision and recall of the mined pairs (BUCC's; not what MTEB calls BUCC). Each source gives its
    best target by ratio margin; the threshold is that of one half of the sources for the other, both ways.

    Raises:
        DataError: A gold pair is not there, or either half of the sources has none.
    """

    label: TaskLabel
    source_texts: Sequence[str]
    target_texts: Sequence[str]
    gold: Sequence[tuple[int, int]]

    type: ClassVar[TaskType] = MINING

    def __post_init__(self) -> None:
        where = str(self.label)
        sizes = (len(self.source_texts), len(self.target_texts))
        if any(not (0 <= one < sizes[0] and 0 <= other < sizes[1]) for one, other in self.gold):
            raise DataError("a gold pair of a sentence that is not there.", where=where)
        if {_half(one) for one, _ in self.gold} != {0, 1}:
            raise DataError("the threshold is tuned on half of the sources: each needs a gold pair.", where=where)

    def capped(self, limit: int) -> MiningTask:
        """Return the task with at most `limit` sentences a side: counterparts of kept sources stay.

        Raises:
            UsageError: Either half of the sources is left without a gold pair.
        """
        rows = spread(len(self.source_texts), limit)
        kept = set(rows)
        wanted = {other for one, other in self.gold if one in kept}
        others = capped_pool(range(len(self.target_texts)), wanted, limit)
        places = [{row: place for place, row in enumerate(side)} for side in (rows, others)]
        gold = [(places[0][a], places[1][b]) for a, b in self.gold if a in places[0]]
        if {_half(one) for one, _ in gold} != {0, 1}:
            what = f"a limit of {limit} texts leaves a half of the sources without a gold pair."
            raise UsageError(what, where=str(self.label), next_step="Raise the limit.")
        sources, targets = [self.source_texts[row] for row in rows], [self.target_texts[row] for row in others]
        return replace(self, source_texts=sources, target_texts=targets, gold=gold)

    def texts(self) -> Iterator[Texts]:
        """Yield both sides."""
        yield None, self.source_texts
        yield None, self.target_texts

    def teacher_texts(self) -> Iterator[Texts]:
        """Yield nothing: no figure of a teacher stands beside."""
        yield from ()

    def score(self, vectors: Vectors, teacher: Vectors | None = None) -> Scores:
        """Mine, and judge each half at the other half's threshold."""
        source, target = (unit_rows(vectors.of(side)) for side in (self.source_texts, self.target_texts))
        found, margins = best_by_margin(source, target)
        pairs = set(self.gold)
        correct = np.array([pair in pairs for pair in enumerate(found.tolist())])
        halves = np.array([_half(row) for row in range(len(source))])
        n_gold = [sum(_half(one) == half for one, _ in self.gold) for half in (0, 1)]
        judged = []
        for half in (0, 1):
            tuning, testing = halves != half, halves == half
            threshold = best_threshold(margins[tuning], correct[tuning], n_gold[1 - half])
            judged.append(bucc_scores(margins[testing], correct[testing], n_gold[half], threshold=threshold))
        both = BuccScores(sum(each.n_mined for each in judged), len(self.gold), sum(each.n_correct for each in judged))
        figures = {"bucc_f1": both.f1, "precision": both.precision, "recall": both.recall}
        return Scores(n=len(self.gold), figures=figures)


def _half(row: int) -> int:
    """Return the half that a source is in, which changes after every two."""
    return row // 2 % 2
