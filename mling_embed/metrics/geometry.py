"""The geometry of two languages' vectors: are they of one shape, one spread, and free of hubs?"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int64
from numpy import ndarray

from mling_embed.errors import UsageError
from mling_embed.neighbors.topk import top_k
from mling_embed.neighbors.vectors import unit_rows

HUBNESS_K = 10
_RELATIVE_ZERO = 1e-6  # of the largest singular value: below it is the rounding of fp32


class Hubness(NamedTuple):
    """Hold how unevenly the rows of one side are retrieved by the other.

    Attributes:
        skewness: Of the k-occurrences N_k, the times that each row is among the k nearest (Radovanovic et al. 2010).
        antihubs: Share of rows that are never retrieved.
        robin_hood: Share of retrievals that would have to be moved for all rows to be retrieved alike.
        gini: Gini coefficient of the k-occurrences.
    """

    skewness: float
    antihubs: float
    robin_hood: float
    gini: float


def hubness(
    queries: Float[ndarray, "n_queries dim"], pool: Float[ndarray, "n_pool dim"], *, k: int = HUBNESS_K
) -> Hubness:
    """Return how unevenly a pool is retrieved by queries, by cosine.

    Args:
        queries: Vectors of any norm. Shape: (n_queries, dim).
        pool: Vectors of any norm. Shape: (n_pool, dim).
        k: Neighbors of each query, at most the size of the pool.
    """
    found = top_k(unit_rows(queries), unit_rows(pool), min(k, len(pool)))
    return hubness_of(np.bincount(found.indices.reshape(-1), minlength=len(pool)))


def hubness_of(times: Int64[ndarray, " n"]) -> Hubness:
    """Return the unevenness of k-occurrences.

    Raises:
        UsageError: Nothing was retrieved.
    """
    if not times.sum():
        raise UsageError("nothing was retrieved.")
    counts = np.sort(times).astype(np.float64)
    n, mean, spread = len(counts), counts.mean(), counts.std()
    ranks = np.arange(1, n + 1)
    return Hubness(
        skewness=float(((counts - mean) ** 3).mean() / spread**3) if spread > 0 else 0.0,
        antihubs=float((counts == 0).mean()),
        robin_hood=float(np.abs(counts - mean).sum() / (2 * counts.sum())),
        gini=float(((2 * ranks - n - 1) * counts).sum() / (n * counts.sum())),
    )


def alignment(source: Float[ndarray, "n dim"], target: Float[ndarray, "n dim"]) -> float:
    """Return the mean squared distance of unit vectors that belong together; 0 is best (Wang and Isola 2020)."""
    _require_pairs(source, target)
    difference = unit_rows(source).astype(np.float64) - unit_rows(target)
    return float((difference**2).sum(axis=1).mean())


def uniformity(vectors: Float[ndarray, "n dim"]) -> float:
    """Return the log of the mean Gaussian potential of all pairs of unit vectors (Wang and Isola 2020, t = 2).

    The lower, the more evenly they lie on the sphere; 0 is a single point.

    Raises:
        UsageError: There are fewer than two vectors.
    """
    if len(vectors) < 2:
        raise UsageError(f"{len(vectors)} vectors: expected two at least.")
    rows = unit_rows(vectors).astype(np.float64)
    upper = np.triu_indices(len(rows), 1)
    squared = np.maximum(2 - 2 * (rows @ rows.T)[upper], 0.0)
    return float(np.log(np.exp(-2 * squared).mean()))


def singular_value_gap(source: Float[ndarray, "n dim"], target: Float[ndarray, "n other_dim"]) -> float:
    """Return SVG, the sum of (ln s_i - ln s'_i)^2 over the singular values of both sides (Dubossarsky et al. 2020).

    Of centered unit vectors; 0 for isomorphic sides. Values that are zero on either side but for rounding are left out.
    """
    _require_pairs(source, target)
    values = [np.linalg.svd(_centered(side), compute_uv=False) for side in (source, target)]
    kept = min(int((each > _RELATIVE_ZERO * each[0]).sum()) for each in values)
    gaps = np.log(values[0][:kept]) - np.log(values[1][:kept])
    return float((gaps**2).sum())


def linear_cka(source: Float[ndarray, "n dim"], target: Float[ndarray, "n other_dim"]) -> float:
    """Return linear centered kernel alignment, from 0 to 1 (Kornblith et al. 2019), of unit vectors."""
    _require_pairs(source, target)
    one, other = _centered(source), _centered(target)
    product = math.sqrt(float((np.square(one.T @ one)).sum()) * float((np.square(other.T @ other)).sum()))
    if not product:
        raise UsageError("all vectors of a side are equal: they have no shape.")
    return float(np.square(one.T @ other).sum()) / product


def _centered(vectors: Float[ndarray, "n dim"]) -> Float64[ndarray, "n dim"]:
    rows = unit_rows(vectors).astype(np.float64)
    centered: Float64[ndarray, "n dim"] = rows - rows.mean(axis=0)
    return centered


def _require_pairs(source: Float[ndarray, "n dim"], target: Float[ndarray, "m other_dim"]) -> None:
    if len(source) != len(target) or len(source) < 2:
        raise UsageError(f"{len(source)} vectors against {len(target)}: expected as many, two at least.")
