"""Approximate neighbors, above the range of exact search: FAISS names candidates, which are scored exactly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int64
from numpy import ndarray

from mling_embed.neighbors.order import Neighbors, best_first, no_neighbors
from mling_embed.neighbors.scoring import inner_products
from mling_embed.neighbors.topk import top_k
from mling_embed.neighbors.vectors import Vectors
from mling_embed.progress import Progress, silent

RECALL_TARGET = 0.95
SAMPLE = 250  # queries of a direction that are searched exactly too
_TRAINED_PER_LIST = 64
_LEAST_TRAINED_PER_LIST = 39  # FAISS warns of fewer
_LEAST_TRAINED = 1024  # points, for the sixteen centres of each code
_QUERY_BLOCK, _ADD_BLOCK = 4096, 1 << 16


@dataclass(frozen=True, slots=True)
class Approximation:
    """Say how approximate neighbors were found.

    Attributes:
        kinds: The FAISS indexes, of each direction: ``IVF2048,PQ192x4fsr, nprobe 16``.
        recall: The estimated share of the k nearest that were found, of both directions together.
        n_queries: On how many queries that was estimated, which were searched exactly.
    """

    kinds: tuple[str, ...]
    recall: float
    n_queries: int


def approximate_both(
    source: Float[ndarray, "n_source dim"],
    target: Float[ndarray, "n_target dim"],
    k: int,
    *,
    recall_target: float = RECALL_TARGET,
    progress: Progress = silent,
) -> tuple[Neighbors, Neighbors, Approximation]:
    """Find nearly all neighbors of each source among the targets and of each target among the sources.

    What is found has its exact score, in the defined order; what is missing is known as a share alone.

    Args:
        source: Unit-norm vectors in fp32, an array or a memory map. Shape: (n_source, dim).
        target: Unit-norm vectors, at least one. Shape: (n_target, dim).
        k: Neighbors for each row; clamped to the other side's size.
        recall_target: The effort of the search rises until so much of a sample's exact neighbors is found.
        progress: Told of rows searched.
    """
    sides = Vectors.both(source, target)
    found, checks = [], []
    for queries, corpus in (sides, sides[::-1]):
        searched = _Searched(queries, corpus, min(k, len(corpus)), recall_target)
        found.append(searched.neighbors(progress))
        checks.append(searched)
    return found[0], found[1], _told(checks)


def approximate_within(
    vectors: Float[ndarray, "n dim"], k: int, *, recall_target: float = RECALL_TARGET, progress: Progress = silent
) -> tuple[Neighbors, Approximation]:
    """Find nearly all of the `k` nearest rows of each row of one set, itself among them; else as `approximate_both`."""
    side = Vectors.both(vectors, vectors)[0]
    searched = _Searched(side, side, min(k, len(side)), recall_target)
    return searched.neighbors(progress), _told([searched])


class _Searched:
    """Index one side, and raise the search's effort until a sample of the other one finds what exact search finds."""

    def __init__(self, queries: Vectors, corpus: Vectors, k: int, recall_target: float) -> None:
        import faiss

        self._queries, self._corpus, self._k = queries, corpus, k
        self._n_candidates = min(max(10 * k, 100), len(corpus))
        n_lists = _n_lists(len(corpus))
        code = f"IVF{n_lists},PQ{_n_codes(corpus.dim)}x4fsr"
        self._index: Any = faiss.index_factory(corpus.dim, code, faiss.METRIC_INNER_PRODUCT)
        self._index.train(corpus.take(_drawn(len(corpus), max(_TRAINED_PER_LIST * n_lists, _LEAST_TRAINED))))
        for start in range(0, len(corpus), _ADD_BLOCK):
            self._index.add(corpus.block(start, start + _ADD_BLOCK).numpy())
        self._sample = _drawn(len(queries), SAMPLE)
        exact = top_k(queries.take(self._sample), corpus.stored, k)
        effort = 1
        while True:
            self.recall = _shared(self._search(self._sample, effort), exact)
            if self.recall >= recall_target or effort >= n_lists:
                break
            effort *= 2
        self._effort = min(effort, n_lists)
        self.kind = f"{code}, nprobe {self._effort}"

    @property
    def n_queries(self) -> int:
        return len(self._sample)

    def neighbors(self, progress: Progress) -> Neighbors:
        """Return the neighbors of all queries."""
        found, n = no_neighbors(len(self._queries), self._k), len(self._queries)
        for start in range(0, n, _QUERY_BLOCK):
            rows = np.arange(start, min(start + _QUERY_BLOCK, n))
            part = self._search(rows, self._effort)
            found.indices[rows], found.scores[rows] = part.indices, part.scores
            progress("searching", int(rows[-1]) + 1, n)
        return found

    def _search(self, rows: Int64[ndarray, " n_rows"], effort: int) -> Neighbors:
        """Return the best of the candidates of queries; who has fewer than k is searched exactly."""
        import faiss

        options = faiss.SearchParametersIVF(nprobe=min(effort, self._index.nlist))
        _, candidates = self._index.search(self._queries.take(rows), self._n_candidates, params=options)
        scores = np.full(candidates.shape, -np.inf)
        row, place = np.nonzero(candidates >= 0)
        scores[row, place] = inner_products(self._queries, self._corpus, rows[row], candidates[row, place])
        found = best_first(candidates, scores, self._k)
        few = np.flatnonzero((found.indices < 0).any(axis=1))
        if len(few):
            exact = top_k(self._queries.take(rows[few]), self._corpus.stored, self._k)
            found.indices[few], found.scores[few] = exact.indices, exact.scores
        return found


def _told(checks: Sequence[_Searched]) -> Approximation:
    counts = [check.n_queries for check in checks]
    recall = float(np.average([check.recall for check in checks], weights=counts))
    return Approximation(tuple(check.kind for check in checks), recall, sum(counts))


def _n_lists(n_rows: int) -> int:
    """Return about twice the root of the rows, as a power of two, though no more than can be trained."""
    wanted = 1 << round(math.log2(2 * math.sqrt(n_rows)))
    most = max(1, n_rows // _LEAST_TRAINED_PER_LIST)
    return min(wanted, 1 << int(math.log2(most)))


def _n_codes(dim: int) -> int:
    """Return the number of 4-bit codes of a vector: one for two dimensions, or nearly."""
    return max(count for count in range(1, max(1, dim // 2) + 1) if dim % count == 0)


def _drawn(n: int, size: int) -> Int64[ndarray, " n_drawn"]:
    drawn = np.random.default_rng(0).choice(n, min(size, n), replace=False)
    rows: Int64[ndarray, " n_drawn"] = np.sort(drawn)
    return rows


def _shared(found: Neighbors, exact: Neighbors) -> float:
    """Return the share of the exact neighbors that were found."""
    rows = zip(found.indices.tolist(), exact.indices.tolist(), strict=True)
    return sum(len(set(row) & set(right)) for row, right in rows) / max(exact.indices.size, 1)
