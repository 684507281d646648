"""Geometry: do the vectors of a language lie where those of its English lie, in one shape, without hubs?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from mling_embed.errors import DataError
from mling_embed.evaluation.charts import Chart
from mling_embed.evaluation.tasks.contract import Column, Scores, TaskLabel, TaskResult, TaskType, spread
from mling_embed.evaluation.vectors import Texts, Vectors
from mling_embed.metrics.geometry import HUBNESS_K, alignment, hubness, linear_cka, singular_value_gap, uniformity


def _chart(suite: str, results: Sequence[TaskResult]) -> Chart:
    return Chart(
        f"Geometry: {suite}",
        "Linear CKA, the likeness of shape of a language's vectors and those of its English, and the share of English "
        "sentences that none of the others is near to (antihubs).",
        ("CKA", "antihubs"),
        {result.label.subject: (result.score, result.figures["antihubs"]) for result in results},
        emphasis="CKA",
    )


GEOMETRY = TaskType(
    kind="geometry",
    columns=(
        Column("CKA", "cka"),
        Column("alignment", "alignment", lower_is_better=True),
        Column("uniformity", "uniformity", lower_is_better=True),
        Column("target uniformity", "target_uniformity", lower_is_better=True),
        Column("SVG", "svg", lower_is_better=True),
        Column("hub skewness", "hubness_skewness", lower_is_better=True),
        Column("antihubs", "antihubs", lower_is_better=True),
        Column("Robin Hood", "robin_hood", lower_is_better=True),
        Column("Gini", "gini", lower_is_better=True),
    ),
    chart=_chart,
    settings=f"hubness:k{HUBNESS_K} similarity:cosine",
)


@dataclass(frozen=True, slots=True)
class GeometryTask:
    """Hold sentences and their translations, to compare the shapes of their vectors.

    Its figures: linear CKA; alignment and uniformity; the singular value gap (SVG); and how unevenly the targets are
    retrieved by the sources (skewness of the k-occurrences, antihubs, Robin Hood and Gini index).

    Raises:
        DataError: The sides differ in length or have fewer than two sentences.
    """

    label: TaskLabel
    source_texts: Sequence[str]
    target_texts: Sequence[str]

    type: ClassVar[TaskType] = GEOMETRY

    def __post_init__(self) -> None:
        if len(self.source_texts) != len(self.target_texts) or len(self.source_texts) < 2:
            raise DataError(
                f"{len(self.source_texts)} and {len(self.target_texts)} sentences; expected as many, two at least.",
                where=str(self.label),
            )

    def capped(self, limit: int) -> GeometryTask:
        """Return the task with at most `limit` pairs."""
        rows = spread(len(self.source_texts), max(2, limit))
        sources, targets = ([side[row] for row in rows] for side in (self.source_texts, self.target_texts))
        return replace(self, source_texts=sources, target_texts=targets)

    def texts(self) -> Iterator[Texts]:
        """Yield both sides."""
        yield None, self.source_texts
        yield None, self.target_texts

    def teacher_texts(self) -> Iterator[Texts]:
        """Yield nothing: no figure of a teacher stands beside."""
        yield from ()

    def score(self, vectors: Vectors, teacher: Vectors | None = None) -> Scores:
        """Compare the shapes."""
        source, target = vectors.of(self.source_texts), vectors.of(self.target_texts)
        hubs = hubness(source, target)
        return Scores(
            n=len(source),
            figures={
                "cka": linear_cka(source, target),
                "alignment": alignment(source, target),
                "uniformity": uniformity(source),
                "target_uniformity": uniformity(target),
                "svg": singular_value_gap(source, target),
                "hubness_skewness": hubs.skewness,
                "antihubs": hubs.antihubs,
                "robin_hood": hubs.robin_hood,
                "gini": hubs.gini,
            },
        )
