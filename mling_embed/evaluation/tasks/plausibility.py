"""Plausibility: of two alternatives, is the plausible one nearer to its premise?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from mling_embed.errors import DataError
from mling_embed.evaluation.charts import Chart
from mling_embed.evaluation.tasks.contract import Column, Scores, TaskLabel, TaskResult, TaskType, spread
from mling_embed.evaluation.vectors import Texts, Vectors
from mling_embed.metrics.confidence import wilson_interval
from mling_embed.metrics.sts import pair_cosines

CHANCE = 0.5


def _chart(suite: str, results: Sequence[TaskResult]) -> Chart:
    return Chart(
        f"Plausible alternatives: {suite}",
        "Share of premises whose cause or effect is nearer than the other alternative; tossing a coin gives 50.",
        ("accuracy",),
        {result.label.subject: (result.score,) for result in results},
        reference=CHANCE,
        reference_label="chance",
    )


PLAUSIBILITY = TaskType(
    kind="plausibility",
    columns=(Column("accuracy", "accuracy"), Column("chance", "chance")),
    chart=_chart,
    settings="similarity:cosine",
)


@dataclass(frozen=True, slots=True)
class PlausibilityTask:
    """Hold premises, two alternatives of each, and which is the plausible one (0 or 1).

    Its figure: the share of premises that are strictly nearer to the plausible alternative. Likeness is not causation:
    this probes what similarity happens to know.

    Raises:
        DataError: The columns differ in length, there is no row, or a choice is neither 0 nor 1.
    """

    label: TaskLabel
    premises: Sequence[str]
    first: Sequence[str]
    second: Sequence[str]
    plausible: Sequence[int]

    type: ClassVar[TaskType] = PLAUSIBILITY

    def __post_init__(self) -> None:
        sizes = tuple(map(len, (self.premises, self.first, self.second, self.plausible)))
        if len(set(sizes)) != 1 or not sizes[0]:
            raise DataError(f"columns of {sizes} rows; expected as many, at least one.", where=str(self.label))
        if bad := [choice for choice in self.plausible if choice not in (0, 1)]:
            raise DataError(f"alternative {bad[0]}; expected 0 or 1.", where=str(self.label))

    def capped(self, limit: int) -> PlausibilityTask:
        """Return the task with at most `limit` premises."""
        rows = spread(len(self.premises), limit)
        return replace(
            self,
            premises=[self.premises[row] for row in rows],
            first=[self.first[row] for row in rows],
            second=[self.second[row] for row in rows],
            plausible=[self.plausible[row] for row in rows],
        )

    def texts(self) -> Iterator[Texts]:
        """Yield premises and alternatives."""
        yield None, self.premises
        yield None, self.first
        yield None, self.second

    def teacher_texts(self) -> Iterator[Texts]:
        """Yield nothing: no figure of a teacher stands beside."""
        yield from ()

    def score(self, vectors: Vectors, teacher: Vectors | None = None) -> Scores:
        """Compare the cosines of both alternatives with the premise."""
        premises = vectors.of(self.premises)
        lead = pair_cosines(premises, vectors.of(self.first)) - pair_cosines(premises, vectors.of(self.second))
        right = [
            difference > 0 if choice == 0 else difference < 0
            for difference, choice in zip(lead.tolist(), self.plausible, strict=True)
        ]
        n = len(right)
        return Scores(
            n=n,
            figures={"accuracy": sum(right) / n, "chance": CHANCE},
            interval=wilson_interval(sum(right), n),
            outcomes={"accuracy": [float(each) for each in right]},
        )
