"""Coarse to fine: documents aligned at half their length first, so that time grows with length and not its square."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray

from mling_embed.mining.alignment.bands import Band, Path, band_around, finer_path, whole_band
from mling_embed.mining.alignment.dynamic_programming import SpanSide, Step, best_steps, link_shapes
from mling_embed.neighbors.vectors import unit_rows

DEFAULT_SKIP = 0.02
WHOLE = 400  # documents of so many sentences a side are aligned in one table
_WIDTH = 10  # cells on each side of a path, beside the longest span


def align_spans(
    source: Float32[ndarray, "most_source rows dim"],
    target: Float32[ndarray, "most_target columns dim"],
    lengths: tuple[Float[ndarray, " n_source"], Float[ndarray, " n_target"]],
    *,
    most: int,
    skip: float = DEFAULT_SKIP,
    whole: int = WHOLE,
) -> list[Step]:
    """Align two documents by the vectors and the lengths of their spans.

    Args:
        source: As `encode_spans` gives them. Shape: (most, n_source + 1, dim).
        target: The other document's. Shape: (most, n_target + 1, dim).
        lengths: Characters of each sentence of both.
        most: Sentences of a link, both sides together.
        skip: What a sentence without a translation costs, where a link of two sentences gains about 0.5.
        whole: Sentences a side up to which all cells are looked at.

    Returns:
        The steps from the beginning of both to their end.
    """
    sides = span_sides(source, target, lengths)
    band = search_band(*sides, skip=skip, whole=whole)
    return best_steps(*sides, band, link_shapes(most), skip)


def span_sides(
    source: Float32[ndarray, "most_source rows dim"],
    target: Float32[ndarray, "most_target columns dim"],
    lengths: tuple[Float[ndarray, " n_source"], Float[ndarray, " n_target"]],
) -> tuple[SpanSide, SpanSide]:
    """Return both sides with what is usual, and their lengths, as many characters in all on both."""
    counted = [np.asarray(each, dtype=np.float64) + 1 for each in lengths]
    counted[0] *= counted[1].sum() / max(counted[0].sum(), 1)
    return (
        SpanSide(source, _usual(source, target), _span_lengths(counted[0], len(source))),
        SpanSide(target, _usual(target, source), _span_lengths(counted[1], len(target))),
    )


def _usual(
    vectors: Float32[ndarray, "most rows dim"], others: Float32[ndarray, "_ columns dim"]
) -> Float32[ndarray, "most rows"]:
    """Return the cosine of each span with the others' spans in the mean."""
    n_spans = sum(max(others.shape[1] - 1 - shorter, 0) for shorter in range(len(others)))
    mean = (others.sum(axis=(0, 1), dtype=np.float64) / max(n_spans, 1)).astype(np.float32)
    usual: Float32[ndarray, "most rows"] = vectors @ mean
    return usual


def _span_lengths(lengths: Float[ndarray, " n"], most: int) -> Float32[ndarray, "most rows"]:
    """Return the characters of the spans that end before each sentence; 1 where there is none."""
    ends = np.concatenate([[0.0], np.cumsum(lengths)])
    spans = np.ones((most, len(ends)), dtype=np.float32)
    for length in range(1, min(most, len(lengths)) + 1):
        spans[length - 1, length:] = ends[length:] - ends[:-length]
    return spans


def search_band(source: SpanSide, target: SpanSide, *, skip: float = DEFAULT_SKIP, whole: int = WHOLE) -> Band:
    """Return the cells in which documents are aligned: all, or those around the path of documents half as long.

    Args:
        source: One side; the sentences' own vectors are looked at.
        target: The other.
        skip: As for `align_spans`.
        whole: Sentences a side up to which all cells are looked at.
    """
    if len(source) * len(target) <= whole * whole:
        return whole_band(len(source), len(target))
    width = _WIDTH + max(len(source.vectors), len(target.vectors))
    halves = [_halved(side) for side in (source, target)]
    coarse = span_sides(halves[0][0], halves[1][0], (halves[0][1], halves[1][1]))
    steps = best_steps(*coarse, search_band(*coarse, skip=skip, whole=whole), link_shapes(2), skip)
    return band_around(finer_path(_path(steps), len(source), len(target)), len(source), len(target), width)


def _halved(side: SpanSide) -> tuple[Float32[ndarray, "1 half dim"], Float32[ndarray, " pairs"]]:
    """Return the vectors of pairs of neighboring sentences, less what all have in common, and the pairs' lengths.

    The last sentence may be alone.
    """
    sentences, lengths = side.vectors[0, 1:], side.lengths[0, 1:]
    if len(sentences) % 2:
        sentences = np.concatenate([sentences, sentences[-1:]])
        lengths = np.concatenate([lengths, np.zeros(1, dtype=np.float32)])
    pairs = sentences[0::2] + sentences[1::2]
    vectors = np.concatenate([np.zeros_like(sentences[:1]), unit_rows(pairs - pairs.mean(axis=0))])
    return vectors[None], lengths[0::2] + lengths[1::2]


def _path(steps: list[Step]) -> Path:
    cells, row, column = [(0, 0)], 0, 0
    for ours, theirs, _ in steps:
        row, column = row + ours, column + theirs
        cells.append((row, column))
    return cells
