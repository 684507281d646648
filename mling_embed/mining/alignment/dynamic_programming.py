"""Dynamic programming: the best way through the table of two documents, within a band."""

from __future__ import annotations

from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt8
from numpy import ndarray

from mling_embed.mining.alignment.bands import Band
from mling_embed.neighbors.scanning import compiled, inlined

_ROWS = 64  # whose scores are computed in one product
_LEAST_RANGE = 1e-3  # of cosines between what is usual and 1: documents of one sentence have none
_SKIP_SOURCE, _SKIP_TARGET = 254, 253


@dataclass(frozen=True, slots=True)
class SpanSide:
    """Hold what the gains of one side's spans are computed from.

    Attributes:
        vectors: As `encode_spans` gives them. Shape: (most, n + 1, dim).
        usual: Mean cosine of each span with the other side. Shape: (most, n + 1).
        lengths: Characters of each span, as many in all as the other side has. Shape: (most, n + 1).
    """

    vectors: Float32[ndarray, "most rows dim"]
    usual: Float32[ndarray, "most rows"]
    lengths: Float32[ndarray, "most rows"]

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


def best_steps(
    source: SpanSide, target: SpanSide, band: Band, shapes: list[tuple[int, int]], skip: float
) -> list[Step]:
    """Find the steps of the best way from the documents' beginning to their end.

    A link gains its score, that is its cosine set against what is usual, less the mean score that each of its spans has
    with the sentences beside the other one, times log2(1 + the shorter length / the longer); a sentence without a
    translation costs `skip` (Liu and Zhu 2022, Bertalign, whose cosines stand for themselves).

    Args:
        source: The rows' side.
        target: The columns' side.
        band: The cells that are looked at; first and last are among them.
        shapes: Of links.
        skip: What a sentence without a translation costs.
    """
    starts = band.starts
    totals: Float64[ndarray, " cells"] = np.empty(int(starts[-1]))
    choices: UInt8[ndarray, " cells"] = np.zeros(int(starts[-1]), dtype=np.uint8)
    links = np.array(shapes, dtype=np.int64)
    reach = int(links.max())  # of the longest span back to the sentence before it
    for first in range(0, len(source) + 1, _ROWS):
        stop = min(first + _ROWS, len(source) + 1)
        top, bottom = max(first - reach, 0), min(stop + 1, len(source) + 1)
        left, right = max(int(band.low[first]) - reach, 0), min(int(band.high[stop - 1]) + 2, len(target) + 1)
        scores = _scores_of(source, target, (top, bottom), (left, right), links)
        lengths = source.lengths[:, top:bottom], target.lengths[:, left:right]
        edges = (band.low, band.high, starts)
        _advance(scores, lengths, links, (first, stop), (top, left), edges, skip, (totals, choices))
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


@inlined
@no_type_check
def _beside(scores: ndarray, ours: int, theirs: int, row: int, column: int, ends: tuple[bool, ...]) -> float:
    """Return the mean score of a link's spans with the sentences beside the other span, as far as there are any."""
    after_row, before_row, after_column, before_column = ends
    beside_source, beside_target = 0.0, 0.0
    if after_row:
        beside_source += scores[0, row + 1, theirs - 1, column]
    if before_row:
        beside_source += scores[0, row - ours, theirs - 1, column]
    if after_row and before_row:
        beside_source /= 2
    if after_column:
        beside_target += scores[ours - 1, row, 0, column + 1]
    if before_column:
        beside_target += scores[ours - 1, row, 0, column - theirs]
    if after_column and before_column:
        beside_target /= 2
    return (beside_source + beside_target) / 2


@compiled
@no_type_check
def _advance(
    scores: ndarray,
    lengths: tuple[ndarray, ndarray],
    links: ndarray,
    rows: tuple[int, int],
    corner: tuple[int, int],
    edges: tuple[ndarray, ndarray, ndarray],
    skip: float,
    table: tuple[ndarray, ndarray],
) -> None:
    """Fill rows of the table from those above; the first of equally good choices counts."""
    (low, high, starts), (top, left), (totals, choices) = edges, corner, table
    last_row, last_column = len(low) - 1, high[len(high) - 1]
    for row in range(rows[0], rows[1]):
        for column in range(low[row], high[row] + 1):
            cell = starts[row] + column - low[row]
            best, choice = -np.inf, 255
            if row == 0 and column == 0:
                best = 0.0
            for number in range(len(links)):
                ours, theirs = links[number]
                before, at = row - ours, column - theirs
                if before < 0 or at < low[before] or at > high[before]:
                    continue
                ends = (row < last_row, before > 0, column < last_column, at > 0)
                gain = scores[ours - 1, row - top, theirs - 1, column - left]
                gain -= _beside(scores, ours, theirs, row - top, column - left, ends)
                one, other = lengths[0][ours - 1, row - top], lengths[1][theirs - 1, column - left]
                gain *= np.log2(1 + min(one, other) / max(one, other))
                total = totals[starts[before] + at - low[before]] + gain
                if total > best:
                    best, choice = total, number
            if row > 0 and low[row - 1] <= column <= high[row - 1]:
                total = totals[starts[row - 1] + column - low[row - 1]] - skip
                if total > best:
                    best, choice = total, _SKIP_SOURCE
            if column > low[row]:
                total = totals[cell - 1] - skip
                if total > best:
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
