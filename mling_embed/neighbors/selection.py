"""Selection of pairs from the neighbors of both directions (Artetxe and Schwenk 2019, section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from mling_embed.neighbors.margins import Margin, best_neighbors
from mling_embed.neighbors.order import Neighbors


class Selection(StrEnum):
    """Name how pairs are chosen from the best target of each source and the best source of each target.

    ``forward`` takes each source's best, ``backward`` each target's, ``intersection`` the pairs that both directions
    choose, and ``max`` joins both lists and takes pairs from the best on, no sentence twice.
    """

    FORWARD = "forward"
    BACKWARD = "backward"
    INTERSECTION = "intersection"
    MAX = "max"


@dataclass(frozen=True, slots=True)
class ScoredPairs:
    """Hold pairs of a source and a target, best margin first; of equal ones the lower source, then the lower target.

    Attributes:
        source: Rows of the sources. Shape: (n_pairs,).
        target: Rows of the targets. Shape: (n_pairs,).
        cosines: Their inner products. Shape: (n_pairs,).
        margins: Their margins. Shape: (n_pairs,).
    """

    source: Int64[ndarray, " n_pairs"]
    target: Int64[ndarray, " n_pairs"]
    cosines: Float64[ndarray, " n_pairs"]
    margins: Float64[ndarray, " n_pairs"]

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.source)

    def take(self, rows: ndarray) -> ScoredPairs:
        """Return the pairs of these rows: indices, or a mask."""
        return ScoredPairs(self.source[rows], self.target[rows], self.cosines[rows], self.margins[rows])


def select(
    forward: Neighbors,
    backward: Neighbors,
    *,
    margin: Margin = Margin.RATIO,
    selection: Selection = Selection.MAX,
    threshold: float | None = None,
) -> ScoredPairs:
    """Choose pairs by margin.

    Args:
        forward: The sources' neighbors among the targets, as `top_k_both` gives them.
        backward: The targets' neighbors among the sources.
        margin: What is compared. Each row's best is the largest *margin* among its neighbors, not the largest cosine.
        selection: How the best of both directions are joined.
        threshold: Pairs are kept whose margin is above it, in every selection.
    """
    pairs = _joined(_best_pairs(forward, backward, margin), _swapped(_best_pairs(backward, forward, margin)), selection)
    pairs = pairs.take(np.lexsort((pairs.target, pairs.source, -pairs.margins)))
    if threshold is not None:
        pairs = pairs.take(pairs.margins > threshold)
    return pairs.take(_one_to_one(pairs)) if selection is Selection.MAX else pairs


def _best_pairs(neighbors: Neighbors, opposite: Neighbors, margin: Margin) -> ScoredPairs:
    """Return each row's best by margin as pairs; none if the other side is empty."""
    if not neighbors.indices.size:
        nothing = np.empty(0, dtype=np.int64)
        return ScoredPairs(nothing, nothing, np.empty(0), np.empty(0))
    found, cosines, margins = best_neighbors(neighbors, opposite, margin=margin)
    return ScoredPairs(np.arange(len(found)), found, cosines, margins)


def _swapped(pairs: ScoredPairs) -> ScoredPairs:
    return ScoredPairs(pairs.target, pairs.source, pairs.cosines, pairs.margins)


def _joined(forward: ScoredPairs, backward: ScoredPairs, selection: Selection) -> ScoredPairs:
    """Return the pairs of either list, or of both, each once."""
    if selection is Selection.FORWARD:
        return forward
    if selection is Selection.BACKWARD:
        return backward
    mutual = np.empty(len(backward), dtype=bool)
    mutual[:] = forward.target[backward.source] == backward.target if len(forward) else False
    if selection is Selection.INTERSECTION:
        return backward.take(mutual)
    rest = backward.take(~mutual)
    columns = ("source", "target", "cosines", "margins")
    return ScoredPairs(*(np.concatenate([getattr(forward, name), getattr(rest, name)]) for name in columns))


def _one_to_one(pairs: ScoredPairs) -> Int64[ndarray, " n_kept"]:
    """Return the rows of the pairs that remain if, from the best on, a pair is left out that repeats a sentence."""
    sources: set[int] = set()
    targets: set[int] = set()
    kept = []
    for row, (source, target) in enumerate(zip(pairs.source.tolist(), pairs.target.tolist(), strict=True)):
        if source not in sources and target not in targets:
            sources.add(source)
            targets.add(target)
            kept.append(row)
    return np.array(kept, dtype=np.int64)
