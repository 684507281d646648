"""Bar charts as data: what a report draws, whoever measured it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mling_embed.errors import UsageError

MAX_SERIES = 4


@dataclass(frozen=True, slots=True)
class Chart:
    """Hold a horizontal bar chart: a group of bars for each language, a bar for each series.

    Attributes:
        title: What it shows.
        caption: How to read it, in a sentence or two.
        series: The names of the series, such as before, after and shuffled; at most 4.
        bars: Language code (or any label) -> a value for each series, as a fraction; `None` where there is none.
        emphasis: The series that matters: drawn in the strong colour, its mean in the header.
        reference: A value that a thin line marks, such as the teacher's own figure.
        reference_label: What the line is.
        intervals: Label -> both ends of the interval of its value in the series that matters.
    """

    title: str
    caption: str
    series: tuple[str, ...]
    bars: Mapping[str, Sequence[float | None]]
    emphasis: str = ""
    reference: float | None = None
    reference_label: str = ""
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 1 <= len(self.series) <= MAX_SERIES or not self.bars:
            raise UsageError(f"chart '{self.title}': {len(self.series)} series of {len(self.bars)} languages.")
        for label, values in self.bars.items():
            if len(values) != len(self.series):
                raise UsageError(
                    f"chart '{self.title}', {label}: {len(values)} values, expected {len(self.series)} as series."
                )
        if self.emphasis and self.emphasis not in self.series:
            raise UsageError(f"chart '{self.title}': no series '{self.emphasis}'.")

    def means(self) -> list[float | None]:
        """Return each series' mean over the languages that have a value."""
        columns = [[value for value in column if value is not None] for column in zip(*self.bars.values(), strict=True)]
        return [sum(column) / len(column) if column else None for column in columns]

    def floor(self) -> int:
        """Return where the axis begins, in percent: 0, or a multiple of 25 below the least value."""
        least = min((value for values in self.bars.values() for value in values if value is not None), default=0.0)
        return max(-100, 25 * math.floor(4 * min(0.0, least, self.reference or 0.0)))

    def worst(self) -> str | None:
        """Return the label with the least value in the series that matters; `None` where all are equal."""
        place = self.strong()
        values = {label: value for label, each in self.bars.items() if (value := each[place]) is not None}
        return min(values, key=values.__getitem__) if len(set(values.values())) > 1 else None

    def strong(self) -> int:
        """Return the place of the series that matters: the emphasised, or the only one, else the first."""
        return self.series.index(self.emphasis) if self.emphasis else 0
