"""The order of neighbors: by the float64 inner product of the stored vectors, of equal ones the lower index first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from mling_embed.errors import UsageError


@dataclass(frozen=True, slots=True)
class Neighbors:
    """Hold the nearest neighbors of each query, best first; of equal scores the lower index comes first.

    Attributes:
        indices: Shape: (n_queries, k).
        scores: Inner products in float64. Shape: (n_queries, k).
    """

    indices: Int64[ndarray, "n_queries k"]
    scores: Float64[ndarray, "n_queries k"]


def no_neighbors(n: int, k: int) -> Neighbors:
    """Return the neighbors of queries that have met nothing yet: the last of all indices, at minus infinity."""
    return Neighbors(np.full((n, k), np.iinfo(np.int64).max, dtype=np.int64), np.full((n, k), -np.inf))


def merge(parts: Sequence[Neighbors], k: int, *, offsets: Sequence[int] | None = None) -> Neighbors:
    """Merge the neighbors of the same queries in parts of a corpus into their neighbors in the whole of it.

    If each part was searched for `k` neighbors or more, the result is what a search of the whole corpus gives, to the
    last bit, in whatever order the parts come; merged parts can be merged again.

    Args:
        parts: One search for each part of the corpus, of as many queries each.
        k: Neighbors for each query; clamped to those that the parts hold.
        offsets: Index in the whole corpus of each part's row 0; zeros where the indices are those of the whole already.

    Raises:
        UsageError: There are no parts, their queries differ in number, or there is not one offset for each.
    """
    shifts = [0] * len(parts) if offsets is None else list(offsets)
    sizes = {len(part.indices) for part in parts}
    if len(sizes) != 1 or len(shifts) != len(parts) or k < 1:
        raise UsageError(
            f"{len(parts)} parts of {sorted(sizes)} queries with {len(shifts)} offsets, and k = {k}: "
            "expected at least one part, as many queries in each, one offset for each, and k of at least 1."
        )
    indices = np.concatenate([part.indices + shift for part, shift in zip(parts, shifts, strict=True)], axis=1)
    return best_first(indices, np.concatenate([part.scores for part in parts], axis=1), k)


def best_first(indices: Int64[ndarray, "n_queries n"], scores: Float64[ndarray, "n_queries n"], k: int) -> Neighbors:
    """Return the `k` best of each row's candidates, in the defined order.

    Args:
        indices: Candidates, no index twice in a row. Shape: (n_queries, n).
        scores: Their scores. Shape: (n_queries, n).
        k: How many to keep of each row; clamped to n.
    """
    order = np.lexsort((indices, -scores))[:, :k]
    return Neighbors(np.take_along_axis(indices, order, axis=1), np.take_along_axis(scores, order, axis=1))
