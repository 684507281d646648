"""Dynamic programming: the cheapest way through the table of two documents, within a band."""

from __future__ import annotations

from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64, UInt8
from numpy import ndarray

from mling_embed.mining.alignment.bands import Band
from mling_embed.neighbors.scanning import compiled, inlined

_ROWS = 64  # whose costs are computed in one product
_LOSS = 1.0  # how much it counts that a shorter link would fit better
_TIE = 1e-5  # a cost that only tells between ways that cost the same: shorter links are taken
_LEAST_RANGE = 1e-3  # of cosines between what is usual and 1: documents of one sentence have none
_SKIP_SOURCE, _SKIP_TARGET = 254, 253


@dataclass(frozen=True, slots=True)
class SpanSide:
    """Hold what the costs of one side's spans are computed from.

    Attributes:
        vectors: As `encode_spans` gives them. Shape: (most, n + 1, dim).
        usual: Mean cosine of each span with the other side. Shape: (most, n + 1).
    """

    vectors: Float32[ndarray, "most rows dim"]
    usual: Float32[ndarray, "most rows"]

    def __len__(self) -> int:
        """Return the number of sentences."""
        return int(self.vectors.shape[1]) - 1


Step = tuple[int, int, float]
"""Source sentences, target sentences, and the cosine set against what is usual (0 where a side has none)."""


def link_shapes(most: int) -> list[tuple[int, int]]:
    """Return the numbers of sentences of both sides of a link of at most so many in all.

    >>> link_shapes(3)
    [(1, 1), (1, 2), (2, 1)]
    """
    return [(ours, total - ours) for total in range(2, most + 1) for ours in range(1, total)]


def cheapest_steps(
    source: SpanSide, target: SpanSide, band: Band, shapes: list[tuple[int, int]], skip: float
) -> list[Step]:
    """Find the steps of the cheapest way from the documents' beginning to their end.

    A link of a and b sentences costs a * b * (1 - score), with the score of `_scores_of`; a sentence without a
    translation costs `skip` (Thompson and Koehn 2019, equation 3, with means in place of samples). What is lost in
    score beside the best link that lacks the first or last sentence of a side is added to 1 - score: a sentence that
    does not belong to a link is skipped, and not joined to its neighbor.

    Args:
        source: The rows' side.
        target: The columns' side.
        band: The cells that are looked at; first and last are among them.
        shapes: Of links.
        skip: Cost of a sentence without a translation.
    """
    starts = band.starts
    totals: Float64[ndarray, " cells"] = np.empty(int(starts[-1]))
    choices: UInt8[ndarray, " cells"] = np.zeros(int(starts[-1]), dtype=np.uint8)
    links = np.array(shapes, dtype=np.int64)
    for first in range(0, len(source) + 1, _ROWS):
        stop = min(first + _ROWS, len(source) + 1)
        top, left = max(first - 1, 0), max(int(band.low[first]) - 1, 0)  # shorter links may end one before
        scores = _scores_of(source, target, (top, stop), (left, int(band.high[stop - 1]) + 1), links)
        edges = (band.low, band.high, starts)
        _advance(scores, links, (first, stop), (top, left), edges, skip, totals, choices)
    return _traced(source, target, band, shapes, choices)


def _scores_of(
    source: SpanSide, target: SpanSide, rows: tuple[int, int], columns: tuple[int, int], links: Int64[ndarray, "_ 2"]
) -> Float32[ndarray, "most_source n_rows most_target n_columns"]:
    """Return (cosine - usual) / (1 - usual) of the spans that end before rows and columns and may be linked.

    What is usual for a pair of spans is the mean of what is usual for both.
    """
    ours, theirs = source.vectors[:, slice(*rows)], target.vectors[:, slice(*columns)]
    dim = ours.shape[2]
    products = ours.reshape(-1, dim) @ theirs.reshape(-1, dim).T
    scores: Float32[ndarray, "a n b m"] = products.reshape(*ours.shape[:2], *theirs.shape[:2])
    _set_against(scores, source.usual[:, slice(*rows)], target.usual[:, slice(*columns)], links)
    return scores


@compiled
@no_type_check
def _set_against(scores: ndarray, ours: ndarray, theirs: ndarray, links: ndarray) -> None:
    """Turn cosines into scores, where they stand."""
    for number in range(len(links)):
        one, other = links[number, 0] - 1, links[number, 1] - 1
        for row in range(scores.shape[1]):
            for column in range(scores.shape[3]):
                usual = (ours[one, row] + theirs[other, column]) / np.float32(2)
                gap = max(np.float32(1) - usual, np.float32(_LEAST_RANGE))
                scores[one, row, other, column] = (scores[one, row, other, column] - usual) / gap


def set_against(cosines: Float[ndarray, "*n"], usual: Float[ndarray, "*n"]) -> Float[ndarray, "*n"]:
    """Return cosines as scores: 0 for what is usual, 1 for the same vector."""
    scores: Float[ndarray, "*n"] = (cosines - usual) / np.maximum(1 - usual, _LEAST_RANGE)
    return scores


@inlined
@no_type_check
def _best_shorter(scores: ndarray, ours: int, theirs: int, row: int, column: int) -> float:
    """Return the best score of the links that lack a link's first or last sentence on one side."""
    best = -np.inf
    if ours > 1:
        best = max(scores[ours - 2, row, theirs - 1, column], scores[ours - 2, row - 1, theirs - 1, column])
    if theirs > 1:
        best = max(best, scores[ours - 1, row, theirs - 2, column], scores[ours - 1, row, theirs - 2, column - 1])
    return best


@compiled
@no_type_check
def _advance(
    scores: ndarray,
    links: ndarray,
    rows: tuple[int, int],
    corner: tuple[int, int],
    edges: tuple[ndarray, ndarray, ndarray],
    skip: float,
    totals: ndarray,
    choices: ndarray,
) -> None:
    """Fill rows of the table from those above; the first of equally cheap choices counts."""
    (low, high, starts), (top, left) = edges, corner
    for row in range(rows[0], rows[1]):
        for column in range(low[row], high[row] + 1):
            cell = starts[row] + column - low[row]
            best, choice = np.inf, 255
            if row == 0 and column == 0:
                best = 0.0
            for number in range(len(links)):
                ours, theirs = links[number]
                before, at = row - ours, column - theirs
                if before < 0 or at < low[before] or at > high[before]:
                    continue
                score = scores[ours - 1, row - top, theirs - 1, column - left]
                lost = max(_best_shorter(scores, ours, theirs, row - top, column - left) - score, 0.0)
                cost = max(1.0 - score, 0.0) + _LOSS * lost + _TIE
                total = totals[starts[before] + at - low[before]] + ours * theirs * cost
                if total < best:
                    best, choice = total, number
            if row > 0 and low[row - 1] <= column <= high[row - 1]:
                total = totals[starts[row - 1] + column - low[row - 1]] + skip
                if total < best:
                    best, choice = total, _SKIP_SOURCE
            if column > low[row]:
                total = totals[cell - 1] + skip
                if total < best:
                    best, choice = total, _SKIP_TARGET
            totals[cell], choices[cell] = best, choice


def _traced(
    source: SpanSide, target: SpanSide, band: Band, shapes: list[tuple[int, int]], choices: UInt8[ndarray, " cells"]
) -> list[Step]:
    """Walk back from the end."""
    starts, steps = band.starts, []
    row, column = len(source), len(target)
    while row or column:
        choice = int(choices[starts[row] + column - band.low[row]])
        if choice == _SKIP_SOURCE:
            ours, theirs, score = 1, 0, 0.0
        elif choice == _SKIP_TARGET:
            ours, theirs, score = 0, 1, 0.0
        else:
            ours, theirs = shapes[choice]
            cosine = float(source.vectors[ours - 1, row] @ target.vectors[theirs - 1, column])
            usual = float(source.usual[ours - 1, row] + target.usual[theirs - 1, column]) / 2
            score = (cosine - usual) / max(1 - usual, _LEAST_RANGE)
        steps.append((ours, theirs, score))
        row, column = row - ours, column - theirs
    return steps[::-1]
