"""Candidates: the pairs that the neighbors of both directions name, with where each stands in either list."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from mling_embed.neighbors.margins import Margin, margin_scores, mean_similarity
from mling_embed.neighbors.order import Neighbors
from mling_embed.neighbors.selection import ScoredPairs


def all_candidates(forward: Neighbors, backward: Neighbors, *, margin: Margin) -> ScoredPairs:
    """Return every pair of a row and one of its neighbors, in either direction, each once, best margin first.

    Args:
        forward: The sources' neighbors among the targets. Shape: (n_source, k).
        backward: The targets' neighbors among the sources. Shape: (n_target, k).
        margin: What they are ordered by.
    """
    n_source, n_target = len(forward.indices), len(backward.indices)
    rows = np.repeat(np.arange(n_source), forward.indices.shape[1])
    columns = np.repeat(np.arange(n_target), backward.indices.shape[1])
    source = np.concatenate([rows, backward.indices.ravel()])
    target = np.concatenate([forward.indices.ravel(), columns])
    cosines = np.concatenate([forward.scores.ravel(), backward.scores.ravel()])
    _, first = np.unique(source * max(n_target, 1) + target, return_index=True)
    return _best_first(source[first], target[first], cosines[first], forward, backward, margin)


def paraphrase_candidates(neighbors: Neighbors, *, margin: Margin) -> ScoredPairs:
    """Return every pair of two rows of one set of which one is a neighbor of the other, each once, best margin first.

    The lower row is the source.
    """
    n_rows = len(neighbors.indices)
    rows = np.repeat(np.arange(n_rows), neighbors.indices.shape[1])
    others, cosines = neighbors.indices.ravel(), neighbors.scores.ravel()
    low, high = np.minimum(rows, others), np.maximum(rows, others)
    _, first = np.unique(low * max(n_rows, 1) + high, return_index=True)
    return _best_first(low[first], high[first], cosines[first], neighbors, neighbors, margin)


def ranks_among(
    neighbors: Neighbors, rows: Int64[ndarray, " n_pairs"], others: Int64[ndarray, " n_pairs"]
) -> Int64[ndarray, " n_pairs"]:
    """Return where `others` stand in the lists of `rows`, from 1; 0 where they are not in them."""
    if not neighbors.indices.shape[1]:
        return np.zeros(len(rows), dtype=np.int64)
    same = neighbors.indices[rows] == np.expand_dims(others, 1)
    return np.where(same.any(axis=1), same.argmax(axis=1) + 1, 0).astype(np.int64)


def _best_first(
    source: Int64[ndarray, " n"],
    target: Int64[ndarray, " n"],
    cosines: ndarray,
    forward: Neighbors,
    backward: Neighbors,
    margin: Margin,
) -> ScoredPairs:
    means = mean_similarity(forward)[source], mean_similarity(backward)[target]
    margins = margin_scores(cosines, *means, margin=margin)
    order = np.lexsort((target, source, -margins))
    return ScoredPairs(source[order], target[order], cosines[order], margins[order])
