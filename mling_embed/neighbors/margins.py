"""Margins: cosines set against the neighborhoods of both sides (Artetxe and Schwenk 2019; Conneau et al. 2018)."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from jaxtyping import Float, Int64
from numpy import ndarray

from mling_embed.neighbors.order import Neighbors
from mling_embed.neighbors.topk import top_k_both

DEFAULT_K = 4


class Margin(StrEnum):
    """Name how a cosine is set against its neighborhood: c / m, c - m, or c alone."""

    RATIO = "ratio"
    DISTANCE = "distance"
    ABSOLUTE = "absolute"


def mean_similarity(neighbors: Neighbors) -> Float[ndarray, " n"]:
    """Return the mean score of each row's neighbors: a_i of the sources, b_j of the targets; 0 where there are none."""
    n, width = neighbors.scores.shape
    mean: Float[ndarray, " n"] = neighbors.scores.mean(axis=1) if width else np.zeros(n)
    return mean


def margin_scores(
    similarity: Float[ndarray, "*shape"],
    source_mean: Float[ndarray, "*#shape"],
    target_mean: Float[ndarray, "*#shape"],
    *,
    margin: Margin = Margin.RATIO,
) -> Float[ndarray, "*shape"]:
    """Return the margin of each cosine c_ij over m_ij = (a_i + b_j) / 2.

    Args:
        similarity: Cosines, of any shape.
        source_mean: The sources' mean similarity a, broadcast against `similarity`.
        target_mean: The targets' mean similarity b, broadcast against `similarity`.
        margin: ``ratio`` is c / m (0 where m is 0), ``distance`` is c - m, ``absolute`` is c.
    """
    middle = np.broadcast_to((source_mean + target_mean) / 2, similarity.shape)
    scores: Float[ndarray, "*shape"]
    if margin is Margin.ABSOLUTE:
        scores = similarity
    elif margin is Margin.DISTANCE:
        scores = similarity - middle
    else:
        scores = np.divide(similarity, middle, out=np.zeros(similarity.shape), where=middle != 0)
    return scores


def csls(
    similarity: Float[ndarray, "*shape"],
    source_mean: Float[ndarray, "*#shape"],
    target_mean: Float[ndarray, "*#shape"],
) -> Float[ndarray, "*shape"]:
    """Return cross-domain similarity local scaling, 2c - a - b: twice the ``distance`` margin."""
    scores: Float[ndarray, "*shape"] = 2 * similarity - source_mean - target_mean
    return scores


def neighbor_margins(
    neighbors: Neighbors, opposite: Neighbors, *, margin: Margin = Margin.RATIO
) -> Float[ndarray, "n k"]:
    """Return the margin of each row with each of its neighbors.

    Args:
        neighbors: Of one side among the other. Shape: (n, k).
        opposite: Of the other side among this one.
        margin: What is computed.
    """
    own, other = mean_similarity(neighbors)[:, None], mean_similarity(opposite)[neighbors.indices]
    return margin_scores(neighbors.scores, own, other, margin=margin)


def best_neighbors(
    neighbors: Neighbors, opposite: Neighbors, *, margin: Margin = Margin.RATIO
) -> tuple[Int64[ndarray, " n"], Float[ndarray, " n"], Float[ndarray, " n"]]:
    """Find for each row the neighbor with the largest margin; of equal ones the lower index.

    Args:
        neighbors: Of one side among the other, at least one for each row. Shape: (n, k).
        opposite: Of the other side among this one.
        margin: What is compared.

    Returns:
        Indices of the neighbors, their scores and their margins. Shapes: (n,).
    """
    margins = neighbor_margins(neighbors, opposite, margin=margin)
    choice = np.lexsort((neighbors.indices, -margins))[:, :1]
    columns = (neighbors.indices, neighbors.scores, margins)
    indices, scores, best = (np.take_along_axis(column, choice, axis=1)[:, 0] for column in columns)
    return indices, scores, best


def best_by_margin(
    source: Float[ndarray, "n_source dim"],
    target: Float[ndarray, "n_target dim"],
    *,
    k: int = DEFAULT_K,
    margin: Margin = Margin.RATIO,
) -> tuple[Int64[ndarray, " n_source"], Float[ndarray, " n_source"]]:
    """Find for each source the target with the largest margin among its `k` nearest (``forward`` selection).

    Args:
        source: Unit-norm vectors. Shape: (n_source, dim).
        target: Unit-norm vectors, at least one. Shape: (n_target, dim).
        k: Size of the neighborhoods, clamped to the other side's size.
        margin: What is compared.

    Returns:
        Indices of targets and their margins. Shapes: (n_source,).
    """
    forward, backward = top_k_both(source, target, k)
    indices, _, margins = best_neighbors(forward, backward, margin=margin)
    return indices, margins
