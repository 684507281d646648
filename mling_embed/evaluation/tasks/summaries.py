"""Summaries: of translations of one text, are the same sentences chosen?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from mling_embed.errors import DataError
from mling_embed.evaluation.charts import Chart
from mling_embed.evaluation.tasks.contract import Column, Scores, TaskLabel, TaskResult, TaskType
from mling_embed.evaluation.vectors import Texts, Vectors
from mling_embed.metrics.agreement import bead_overlap, chance_overlap
from mling_embed.metrics.confidence import mean_interval
from mling_embed.metrics.sts import spearman
from mling_embed.summarization.centrality import DAMPING, lexrank
from mling_embed.summarization.selection import REDUNDANCY, choose

SHARE = 0.2


def _chart(suite: str, results: Sequence[TaskResult]) -> Chart:
    return Chart(
        f"Summaries: {suite}",
        "Overlap of the sentences chosen in two translations of a text, beside that of sentences drawn by chance.",
        ("agreement", "chance"),
        {result.label.subject: (result.score, result.figures["chance"]) for result in results},
        emphasis="agreement",
    )


SUMMARIES = TaskType(
    kind="summaries",
    columns=(
        Column("agreement", "agreement"),
        Column("chance", "chance"),
        Column("lead", "lead_agreement"),
        Column("over lead", "shared_with_lead"),
        Column("centrality rho", "centrality_spearman"),
    ),
    chart=_chart,
    settings=f"lexrank:d{DAMPING:g} mmr:{REDUNDANCY:g} share:{SHARE:g} bootstrap:1000,seed0",
)


@dataclass(frozen=True, slots=True)
class SummariesTask:
    """Hold documents in two languages, and which sentences of both translate each other.

    A bead is a number that a sentence shares with those of the other side which translate it together; -1 is a
    sentence without counterpart. A fifth of the sentences of each side is chosen as `mling_embed.summarization` does.

    Its figures, means over the documents: agreement, the overlap of the beads chosen on both sides (Dice); chance, what
    as many sentences drawn at random have on average; lead, that of the first sentences of both, which agree trivially;
    the share of the chosen sentences that are among those first ones; and Spearman's correlation of the centralities.

    Raises:
        DataError: The sides differ in their documents, sentences and beads differ in number, or there is no document.
    """

    label: TaskLabel
    source_documents: Sequence[Sequence[str]]
    target_documents: Sequence[Sequence[str]]
    source_beads: Sequence[Sequence[int]]
    target_beads: Sequence[Sequence[int]]

    type: ClassVar[TaskType] = SUMMARIES

    def __post_init__(self) -> None:
        where = str(self.label)
        sizes = (len(self.source_documents), len(self.target_documents))
        if sizes[0] != sizes[1] or not sizes[0]:
            raise DataError(f"{sizes[0]} and {sizes[1]} documents; expected as many, at least one.", where=where)
        sides = ((self.source_documents, self.source_beads), (self.target_documents, self.target_beads))
        for documents, beads in sides:
            if [len(document) for document in documents] != [len(each) for each in beads]:
                raise DataError("a document has other numbers of sentences and beads.", where=where)
            if any(len(document) < 2 for document in documents):
                raise DataError("a document of fewer than two sentences.", where=where)

    def capped(self, limit: int) -> SummariesTask:
        """Return the task with its first documents, of together at most `limit` sentences a side; one at least."""
        ends = np.cumsum([max(len(one), len(other)) for one, other in zip(*self._documents, strict=True)])
        n = max(1, int((ends <= limit).sum()))
        return replace(
            self,
            source_documents=self.source_documents[:n],
            target_documents=self.target_documents[:n],
            source_beads=self.source_beads[:n],
            target_beads=self.target_beads[:n],
        )

    @property
    def _documents(self) -> tuple[Sequence[Sequence[str]], Sequence[Sequence[str]]]:
        return self.source_documents, self.target_documents

    def texts(self) -> Iterator[Texts]:
        """Yield the sentences of all documents."""
        for side in self._documents:
            for document in side:
                yield None, document

    def teacher_texts(self) -> Iterator[Texts]:
        """Yield nothing: no figure of a teacher stands beside."""
        yield from ()

    def score(self, vectors: Vectors, teacher: Vectors | None = None) -> Scores:
        """Summarize the documents on both sides and compare what was chosen."""
        rows: dict[str, list[float]] = {}
        for sides in zip(*self._documents, self.source_beads, self.target_beads, strict=True):
            for name, value in _compared(vectors, sides[:2], sides[2:]).items():
                rows.setdefault(name, []).append(value)
        return Scores(
            n=len(self.source_documents),
            figures={"centrality_spearman": None}
            | {name: math.fsum(values) / len(values) for name, values in rows.items()},
            interval=mean_interval(rows["agreement"]),
            outcomes={"agreement": rows["agreement"]},
        )


def _compared(vectors: Vectors, documents: Sequence[Sequence[str]], beads: Sequence[Sequence[int]]) -> dict[str, float]:
    """Return the figures of one document."""
    chosen, leads, central = [], [], []
    for document, side in zip(documents, beads, strict=True):
        rows = vectors.of(document)
        size = math.ceil(SHARE * len(document))
        ranks = lexrank(rows)
        chosen.append([side[place] for place in choose(rows, ranks, size)])
        leads.append(list(side[:size]))
        best: dict[int, float] = {}
        for bead, rank in zip(side, ranks.tolist(), strict=True):
            best[bead] = max(best.get(bead, 0.0), rank)
        central.append(best)
    both = sorted((central[0].keys() & central[1].keys()) - {-1})
    figures = {
        "agreement": bead_overlap(*chosen),
        "chance": chance_overlap(beads[0], beads[1], len(chosen[0]), len(chosen[1])),
        "lead_agreement": bead_overlap(*leads),
        "shared_with_lead": sum(bead_overlap(*pair) for pair in zip(chosen, leads, strict=True)) / 2,
    }
    sides = [np.array([side[bead] for bead in both]) for side in central]
    if len(both) > 1 and all(np.ptp(side) > 0 for side in sides):
        figures["centrality_spearman"] = spearman(*sides)
    return figures
