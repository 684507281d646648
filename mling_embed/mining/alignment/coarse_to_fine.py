"""Coarse to fine: documents aligned at half their length first, so that time grows with length and not its square."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from mling_embed.mining.alignment.bands import Band, Path, band_around, finer_path, whole_band
from mling_embed.mining.alignment.dynamic_programming import SpanSide, Step, cheapest_steps, link_shapes, set_against
from mling_embed.neighbors.vectors import unit_rows

DEFAULT_SKIP_QUANTILE = 0.2
WHOLE = 400  # documents of so many sentences a side are aligned in one table
_WIDTH = 10  # cells on each side of a path, beside the longest span
_SAMPLED = 200  # sentences of each side whose costs say what a skipped sentence costs
_SEED = 0


def align_spans(
    source: Float32[ndarray, "most_source rows dim"],
    target: Float32[ndarray, "most_target columns dim"],
    *,
    most: int,
    skip_quantile: float = DEFAULT_SKIP_QUANTILE,
    whole: int = WHOLE,
) -> list[Step]:
    """Align two documents by the vectors of their spans.

    Args:
        source: As `encode_spans` gives them. Shape: (most, n_source + 1, dim).
        target: The other document's. Shape: (most, n_target + 1, dim).
        most: Sentences of a link, both sides together.
        skip_quantile: The share of pairs of any two sentences that cost less than one without a translation.
        whole: Sentences a side up to which all cells are looked at.

    Returns:
        The steps from the beginning of both to their end.
    """
    band = search_band(source, target, skip_quantile=skip_quantile, whole=whole)
    return _steps(source, target, band, link_shapes(most), skip_quantile)


def search_band(
    source: Float32[ndarray, "most_source rows dim"],
    target: Float32[ndarray, "most_target columns dim"],
    *,
    skip_quantile: float = DEFAULT_SKIP_QUANTILE,
    whole: int = WHOLE,
) -> Band:
    """Return the cells in which documents are aligned: all, or those around the path of documents half as long.

    Args:
        source: As `encode_spans` gives them; the sentences' own vectors are looked at.
        target: The other document's.
        skip_quantile: As for `align_spans`.
        whole: Sentences a side up to which all cells are looked at.
    """
    n_source, n_target = source.shape[1] - 1, target.shape[1] - 1
    if n_source * n_target <= whole * whole:
        return whole_band(n_source, n_target)
    halves = _halved(source[0])[None], _halved(target[0])[None]
    inner = search_band(*halves, skip_quantile=skip_quantile, whole=whole)
    path = _path(_steps(*halves, inner, link_shapes(2), skip_quantile))
    return band_around(finer_path(path, n_source, n_target), n_source, n_target, _WIDTH + max(len(source), len(target)))


def _halved(vectors: Float32[ndarray, "rows dim"]) -> Float32[ndarray, "half dim"]:
    """Return the vectors of pairs of neighboring sentences, less what all have in common; the last may be alone."""
    sentences = vectors[1:]
    if len(sentences) % 2:
        sentences = np.concatenate([sentences, sentences[-1:]])
    pairs = sentences[0::2] + sentences[1::2]
    return np.concatenate([np.zeros_like(vectors[:1]), unit_rows(pairs - pairs.mean(axis=0))])


def _steps(
    source: Float32[ndarray, "most_source rows dim"],
    target: Float32[ndarray, "most_target columns dim"],
    band: Band,
    shapes: list[tuple[int, int]],
    skip_quantile: float,
) -> list[Step]:
    sides = _side(source, target), _side(target, source)
    return cheapest_steps(*sides, band, shapes, skip_cost(*sides, skip_quantile))


def _side(vectors: Float32[ndarray, "most rows dim"], others: Float32[ndarray, "_ columns dim"]) -> SpanSide:
    """Return a side with what is usual: the cosine of each span with the others' spans in the mean."""
    n_spans = sum(max(others.shape[1] - 1 - shorter, 0) for shorter in range(len(others)))
    mean = (others.sum(axis=(0, 1), dtype=np.float64) / max(n_spans, 1)).astype(np.float32)
    return SpanSide(vectors, vectors @ mean)


def skip_cost(source: SpanSide, target: SpanSide, quantile: float) -> float:
    """Return the cost of a skipped sentence: a quantile of what any two sentences cost.

    In short documents a good part of all pairs are translations, which are left out of account.
    """
    translations = 1 / max(len(source), len(target))
    drawn = np.random.default_rng(_SEED)
    rows, columns = (drawn.permutation(len(side))[:_SAMPLED] + 1 for side in (source, target))
    cosines = source.vectors[0, rows] @ target.vectors[0, columns].T
    usual = (source.usual[0, rows, None] + target.usual[0, columns]) / 2
    return float(np.quantile(1 - set_against(cosines, usual), translations + (1 - translations) * quantile))


def _path(steps: list[Step]) -> Path:
    cells, row, column = [(0, 0)], 0, 0
    for ours, theirs, _ in steps:
        row, column = row + ours, column + theirs
        cells.append((row, column))
    return cells
