"""What a report shows beside bars and tables, as data: heat maps, histograms, a map of sentences, mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from mling_embed.errors import UsageError


@dataclass(frozen=True, slots=True)
class Mistake:
    """Hold a sentence that found another than its translation.

    Attributes:
        language: Of the sentence.
        text: The sentence.
        expected: Its translation.
        found: What was nearest.
        expected_score: The cosine of its translation.
        found_score: The cosine of what was found.
    """

    language: str
    text: str
    expected: str
    found: str
    expected_score: float
    found_score: float

    @property
    def gap(self) -> float:
        """By how much the wrong one is nearer."""
        return self.found_score - self.expected_score


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Hold a figure for each pair of languages.

    Attributes:
        title: What it shows.
        caption: How to read it.
        rows: The languages of the first side.
        columns: Those of the second side.
        values: (row, column) -> the figure, as a fraction.
    """

    title: str
    caption: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: Mapping[tuple[str, str], float]

    def shade(self, row: str, column: str) -> float:
        """Return where a value lies between the least and the largest, from 0 to 1."""
        low, high = min(self.values.values()), max(self.values.values())
        return (self.values[row, column] - low) / (high - low) if high > low else 0.5

    def worst(self) -> tuple[str, str]:
        """Return the pair with the least value."""
        return min(self.values, key=self.values.__getitem__)


@dataclass(frozen=True, slots=True)
class Histogram:
    """Hold how values are spread.

    Attributes:
        title: What it shows.
        caption: How to read it.
        edges: Of the bins, one more than there are bins.
        series: Name -> the share of its values in each bin.
    """

    title: str
    caption: str
    edges: tuple[float, ...]
    series: Mapping[str, tuple[float, ...]]

    def highest(self) -> float:
        """Return the largest share."""
        return max(share for shares in self.series.values() for share in shares)


@dataclass(frozen=True, slots=True)
class Point:
    """Hold where a sentence of a language lies on a map, and which sentence it is, from 0."""

    language: str
    sentence: int
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class PointMap:
    """Hold sentences in many languages on a plane; each coordinate is within 0 and 1.

    Attributes:
        title: What it shows.
        caption: How to read it.
        sentences: The English of each sentence.
        points: A point for each sentence and language.
    """

    title: str
    caption: str
    sentences: tuple[str, ...]
    points: tuple[Point, ...]


def histogram(
    title: str, caption: str, values: Mapping[str, Sequence[float]], *, low: float, high: float, n_bins: int = 40
) -> Histogram:
    """Count values into bins of one width; what lies outside is in the first or the last.

    Raises:
        UsageError: A series is empty.
    """
    if not all(values.values()):
        raise UsageError(f"histogram '{title}': a series without values.")
    edges = np.linspace(low, high, n_bins + 1)
    series = {
        name: tuple((np.histogram(np.clip(each, low, high), edges)[0] / len(each)).tolist())
        for name, each in values.items()
    }
    return Histogram(title, caption, tuple(edges.tolist()), series)


def point_map(
    title: str, caption: str, sentences: Sequence[str], vectors: Mapping[str, Float[ndarray, "n dim"]]
) -> PointMap:
    """Draw sentences in many languages by the first two principal components of all their unit vectors.

    Args:
        title: What it shows.
        caption: How to read it.
        sentences: The English of each.
        vectors: Language -> the vectors of the sentences, of any norm. Shape: (n_sentences, dim).
    """
    rows = np.concatenate(list(vectors.values())).astype(np.float64)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = rows / np.where(norms > 0, norms, 1)
    centered = rows - rows.mean(axis=0)
    places = centered @ np.linalg.svd(centered, full_matrices=False)[2][:2].T
    if places.shape[1] < 2:
        places = np.column_stack([places, np.zeros(len(places))])
    low, high = places.min(axis=0), places.max(axis=0)
    scaled = (places - low) / np.where(high > low, high - low, 1)
    names = [(language, number) for language in vectors for number in range(len(sentences))]
    points = (Point(*name, float(x), float(y)) for name, (x, y) in zip(names, scaled, strict=True))
    return PointMap(title, caption, tuple(sentences), tuple(points))


@dataclass(frozen=True, slots=True)
class Line:
    """Hold how a value went over the steps of a training.

    Attributes:
        title: What it shows.
        caption: How to read it.
        points: Steps done, and the value there; steps ascend.
    """

    title: str
    caption: str
    points: tuple[tuple[int, float], ...]

    def __post_init__(self) -> None:
        if len(self.points) < 2:
            raise UsageError(f"line '{self.title}': {len(self.points)} points; expected two at least.")

    @property
    def last(self) -> float:
        """The value at the end."""
        return self.points[-1][1]

    def spoken(self, most: int = 12) -> tuple[tuple[int, float], ...]:
        """Return at most so many of the points, evenly spread, with the first and the last: for the ear."""
        places = np.linspace(0, len(self.points) - 1, min(most, len(self.points))).round().astype(int)
        return tuple(self.points[place] for place in places)

    def ticks(self, axis: int) -> tuple[float, ...]:
        """Return round values that span the points: of the steps (0) or of the value (1)."""
        values = [float(point[axis]) for point in self.points]
        return round_ticks(min(values), max(values))

    def places(self) -> tuple[tuple[float, float], ...]:
        """Return the points between the first and the last tick of both axes, from 0 to 1."""
        ends = [(found[0], found[-1]) for found in (self.ticks(0), self.ticks(1))]
        return tuple(
            ((point[0] - ends[0][0]) / (ends[0][1] - ends[0][0]), (point[1] - ends[1][0]) / (ends[1][1] - ends[1][0]))
            for point in self.points
        )


def round_ticks(low: float, high: float, *, most: int = 6) -> tuple[float, ...]:
    """Return at most so many evenly spaced round values, the first not above `low` and the last not below `high`.

    >>> round_ticks(0.0, 93.0), round_ticks(0.312, 0.346), round_ticks(2.0, 2.0)
    ((0.0, 20.0, 40.0, 60.0, 80.0, 100.0), (0.31, 0.32, 0.33, 0.34, 0.35), (2.0, 2.2, 2.4, 2.6, 2.8, 3.0))

    Raises:
        UsageError: A value is not finite, or `low` is above `high`.
    """
    if not (np.isfinite(low) and np.isfinite(high)) or low > high:
        raise UsageError(f"ticks from {low} to {high}: expected finite values in order.")
    if low == high:
        high = low + (abs(low) or 1.0) / 2
    scale = 10.0 ** np.floor(np.log10((high - low) / most))
    for step in (scale * factor for factor in (1, 2, 5, 10, 20, 50)):
        first, last = np.floor(low / step + 1e-9), np.ceil(high / step - 1e-9)
        if last - first < most:
            break
    return tuple(float(f"{number * step:.10g}") for number in np.arange(first, last + 1))
