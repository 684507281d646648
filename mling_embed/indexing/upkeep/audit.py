"""Audits: hubs that are near everything, near duplicates across languages, and how far a student's answers drift."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Float64, Int64, Shaped
from numpy import ndarray

from mling_embed.encoders.contract import PromptRole
from mling_embed.errors import DataError, UsageError
from mling_embed.indexing.published.columns import Filter
from mling_embed.indexing.searching.view import Found, View
from mling_embed.indexing.storage.rows import Row
from mling_embed.indexing.storage.store import Store
from mling_embed.neighbors.vectors import unit_rows
from mling_embed.progress import Progress, silent

if TYPE_CHECKING:
    from mling_embed.encoders.contract import Encoder

HUB_Z = 3.5  # robust z-scores above which a text is an outlier (Iglewicz and Hoaglin 1993)
DUPLICATE_COSINE = 0.95
_AT_ONCE = 64
_MAD_TO_DEVIATION, _MEAN_TO_DEVIATION = 1.4826, 1.2533


@dataclass(frozen=True, slots=True)
class Hub:
    """Hold a text that is among the nearest of unusually many others.

    Attributes:
        id: Of the text.
        language: Of the text.
        text: The text.
        occurrence: How many texts of the sample have it among their k nearest.
        z: Its robust z-score among all that occur.
    """

    id: str
    language: str
    text: str
    occurrence: int
    z: float


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """Hold two texts of different languages that are nearly the same to the model.

    Attributes:
        first: Id of the text of the sample.
        second: Id of the other one.
        languages: Of both.
        score: Their similarity.
    """

    first: str
    second: str
    languages: tuple[str, str]
    score: float


@dataclass(frozen=True, slots=True)
class Audit:
    """Hold what an audit found.

    Attributes:
        n_queries: Texts of the sample.
        k: Neighbors of each.
        hubs: Outliers by k-occurrence, the worst first.
        skewness: Of the k-occurrence over the rows that occur.
        near_duplicates: Across languages, the nearest first.
    """

    n_queries: int
    k: int
    hubs: tuple[Hub, ...]
    skewness: float
    near_duplicates: tuple[NearDuplicate, ...]


@dataclass(frozen=True, slots=True)
class Drift:
    """Hold how far a student's answers are from its teacher's on the same queries.

    Attributes:
        n_queries: English texts of the sample.
        overlap: Mean share of the teacher's k nearest that are among the student's.
        same_first: Share of queries with the same nearest text.
        cosine: Mean cosine between both vectors of a query.
        k: Neighbors of each.
    """

    n_queries: int
    overlap: float
    same_first: float
    cosine: float
    k: int


def robust_z(values: Shaped[ndarray, " n"]) -> Float64[ndarray, " n"]:
    """Return each value's deviations above the median, as the median absolute one has them, else the mean one.

    >>> robust_z(np.array([1, 2, 3, 4, 5, 50])).round(2).tolist()
    [-1.12, -0.67, -0.22, 0.22, 0.67, 20.91]
    """
    away = np.abs(values - np.median(values))
    spread = _MAD_TO_DEVIATION * np.median(away)
    if spread == 0:
        spread = _MEAN_TO_DEVIATION * away.mean()
    scores: Float64[ndarray, " n"] = (values - np.median(values)) / (spread or 1.0)
    return scores


def audit_index(view: View, store: Store, *, n_queries: int, k: int, progress: Progress = silent) -> Audit:
    """Ask an index with a sample of its own texts, and look at what comes back too often or too near.

    Args:
        view: What is searched.
        store: Its rows.
        n_queries: Texts of the sample, drawn with a fixed seed.
        k: Neighbors of each.
        progress: Told of texts asked.

    Raises:
        DataError: The index is empty.
    """
    from scipy.stats import skew

    sample = _sample(view, n_queries)
    vectors = view.vectors_of(sample)
    found: list[Found] = []
    for start in range(0, len(sample), _AT_ONCE):
        found.extend(view.nearest(vectors[start : start + _AT_ONCE], k + 1, Filter()))
        progress("auditing", len(found), len(sample))
    neighbors = [_others(each, number)[:k] for each, number in zip(found, sample.tolist(), strict=True)]
    numbers, times = np.unique([row for each in neighbors for row, _ in each], return_counts=True)
    if not len(numbers):
        return Audit(len(sample), k, (), 0.0, ())
    scores = robust_z(times)
    outliers = [place for place in np.argsort(-times, kind="stable").tolist() if scores[place] > HUB_Z]
    near = [
        (score, int(number), row)
        for number, each in zip(sample.tolist(), neighbors, strict=True)
        for row, score in each
        if score >= DUPLICATE_COSINE
    ]
    rows = store.rows(sorted({*(numbers[outliers].tolist()), *(part for _, *pair in near for part in pair)}))
    hubs = tuple(_hub(rows[int(numbers[at])], int(times[at]), float(scores[at])) for at in outliers)
    skewness = float(skew(times)) if np.ptp(times) else 0.0
    return Audit(len(sample), k, hubs, skewness, _across_languages(near, rows))


def _sample(view: View, size: int) -> Int64[ndarray, " n"]:
    parts = [view.tail.numbers]
    if view.generation is not None:
        alive = view.alive if view.alive is not None else slice(None)
        parts.insert(0, view.generation.columns.numbers[alive])
    numbers: Int64[ndarray, " n"] = np.concatenate(parts)
    if not len(numbers):
        raise DataError("the index is empty: there is nothing to audit.", next_step="Add texts first.")
    if len(numbers) > size:
        numbers = np.sort(np.random.default_rng(0).choice(numbers, size, replace=False))
    return numbers


def _others(found: Found, number: int) -> list[tuple[int, float]]:
    pairs = zip(found.numbers.tolist(), found.scores.tolist(), strict=True)
    return [(row, score) for row, score in pairs if row != number]


def _hub(row: Row, occurrence: int, z: float) -> Hub:
    return Hub(row.entry.id, row.entry.language, row.entry.text, occurrence, z)


def _across_languages(near: Sequence[tuple[float, int, int]], rows: dict[int, Row]) -> tuple[NearDuplicate, ...]:
    found, seen = [], set()
    for score, first, second in sorted(near, key=lambda each: (-each[0], each[1], each[2])):
        languages = (rows[first].entry.language, rows[second].entry.language)
        pair = frozenset((first, second))
        if languages[0] != languages[1] and pair not in seen:
            seen.add(pair)
            found.append(NearDuplicate(rows[first].entry.id, rows[second].entry.id, languages, score))
    return tuple(found)


def measure_drift(
    texts: Sequence[str],
    teacher: Encoder,
    student: Encoder,
    ask: Callable[[Float32[ndarray, "n_queries dim"], int], Sequence[Sequence[str]]],
    *,
    k: int,
) -> Drift:
    """Ask an index by its own model and by a student of it, and compare the answers.

    Args:
        texts: English texts to ask with.
        teacher: The index's model.
        student: The student.
        ask: Returns the ids that the index answers vectors with.
        k: Neighbors compared.

    Raises:
        DataError: There is no text to ask with.
        UsageError: The student's vectors have another width.
    """
    if not texts:
        raise DataError("the index holds no English text to ask with.", next_step="Add some, with their language.")
    if teacher.dim != student.dim:
        raise UsageError(f"the student's vectors have {student.dim} dimensions, the teacher's {teacher.dim}.")
    asked = [unit_rows(encoder.encode(texts, role=PromptRole.QUERY)) for encoder in (teacher, student)]
    right, found = (ask(vectors, k) for vectors in asked)
    shared = [len(set(wanted) & set(got)) / len(wanted) for wanted, got in zip(right, found, strict=True)]
    first = [wanted[0] == got[0] for wanted, got in zip(right, found, strict=True)]
    cosine = float(np.einsum("nd,nd->n", *asked).mean())
    return Drift(len(texts), float(np.mean(shared)), float(np.mean(first)), cosine, k)
