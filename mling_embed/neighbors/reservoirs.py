"""Reservoirs: the shortlists of one direction on a processor."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float64
from numpy import ndarray
from torch import Tensor

from mling_embed.neighbors import scanning
from mling_embed.neighbors.order import Neighbors, no_neighbors
from mling_embed.neighbors.threads import at_once, spans

Scorer = Callable[[ndarray, ndarray], Float64[ndarray, " n_pairs"]]
SETTLED_AT_ONCE = 1 << 16  # pairs
LEAST_GROUPS = 64  # narrower ones are slow to look through


class Reservoirs:
    """Keep for each query every candidate whose exact score may be among the `k` best.

    A coarse score c stands for any exact score from c - radius to c + radius. Let v be the k-th largest coarse score
    seen for a query: k exact scores are at least v - radius, so that whoever is among the k best, or ties with them,
    has a coarse score of at least v - 2 * radius, the query's *floor*. Where the k-th largest *exact* score e is known,
    e - radius is a floor too. Floors only rise; what lies on a floor or above is kept, scored exactly, and the best of
    it are the neighbors. No candidate that belongs among them is ever dropped, whatever the tiles.

    A query keeps its candidates in a reservoir of fixed size. A full one is emptied of what has fallen below the floor;
    where that is little, as among copies of one sentence, what comes later is spilled and scored with the tile.

    Args:
        radius: Bound of each query's coarse errors. Shape: (n_queries,).
        k: Neighbors for each query, at most as many as there are candidates.
        scorer: Gives the exact scores of pairs of query and candidate.
        dtype: Type of the coarse scores.
    """

    def __init__(
        self, radius: Float64[ndarray, " n_queries"], k: int, scorer: Scorer, *, dtype: torch.dtype = torch.float32
    ) -> None:
        n, room = len(radius), 2 * k + 16
        coarse = np.dtype(np.float64 if dtype is torch.float64 else np.float32)
        self._k, self._score = k, scorer
        self._floors = np.full(n, -np.inf, dtype=coarse)
        self._counts = np.zeros(n, dtype=np.int32)
        self._candidates = np.empty((n, room), dtype=np.int64)
        self._scores = np.empty((n, room), dtype=coarse)
        self._radius = radius
        full_at = np.full(n, k + k // 2 + scanning.LEAST_FILL, dtype=np.int32)
        self._arrays = (self._floors, radius, self._counts, full_at, self._candidates, self._scores)
        self._best = no_neighbors(n, k)

    def take(self, tile: Tensor, *, query: int, candidate: int) -> None:
        """Look through a tile of coarse scores.

        Args:
            tile: Coarse scores, a row for each query.
            query: Index of its first query.
            candidate: Index of its first candidate.
        """
        self._raise_first(tile, query)
        scores = tile.numpy()
        spilled: list[tuple[ndarray, ndarray]] = []

        def scanned(start: int, stop: int) -> None:
            spill = _spill(scores.size)
            count = scanning.scan_rows(scores, start, stop, query, candidate, self._arrays, self._k, spill)
            if count:
                spilled.append((spill[0][:count], spill[1][:count]))

        at_once(scanned, spans(len(scores)))
        if spilled:
            self._settle(*(np.concatenate(column) for column in zip(*spilled, strict=True)))

    def take_both(self, tile: Tensor, backward: Reservoirs, *, query: int, candidate: int) -> None:
        """Look through a tile of coarse scores for its rows and, in the same reading, for its columns.

        Args:
            tile: Coarse scores, a row for each of these queries, a column for each of the others.
            backward: The reservoirs of the other direction; no other thread has one of these rows or columns.
            query: Index of the tile's first row.
            candidate: Index of its first column.
        """
        self._raise_first(tile, query)
        backward._raise_first(tile, candidate, transposed=True)
        scores, ks = tile.numpy(), (self._k, backward._k)
        spills = (_spill(scores.size), _spill(scores.size))
        counts = scanning.scan_both(scores, query, candidate, self._arrays, backward._arrays, ks, spills)
        for side, count, (queries, candidates) in zip((self, backward), counts, spills, strict=True):
            if count:
                side._settle(queries[:count], candidates[:count])

    def _raise_first(self, tile: Tensor, query: int, *, transposed: bool = False) -> None:
        """Give floors to queries that have none, by the maxima of groups of candidates: k groups hold k candidates."""
        n, n_queries = tile.shape if transposed else tile.shape[::-1]
        groups = max(LEAST_GROUPS, 4 * self._k)
        size = n // groups
        if not size or self._floors[query] > -np.inf:
            return
        if transposed:
            maxima = tile[: size * groups].reshape(size, groups, n_queries).amax(dim=0).T
        else:
            maxima = tile[:, : size * groups].reshape(n_queries, size, groups).amax(dim=1)
        worst = maxima.topk(self._k, dim=1).values[:, -1].double().numpy()
        scanning.raise_floors(np.arange(query, query + n_queries), worst, 2.0, self._arrays)

    def neighbors(self) -> Neighbors:
        """Return the neighbors, once every tile was seen."""
        step = max(1, SETTLED_AT_ONCE // self._scores.shape[1])
        nothing = np.empty(0, dtype=np.int64)
        for start in range(0, len(self._counts), step):
            self._settle(nothing, nothing, np.arange(start, min(start + step, len(self._counts))))
        return self._best

    def _settle(self, spilled: ndarray, candidates: ndarray, queries: ndarray | None = None) -> None:
        """Score what reservoirs hold and have spilled, keep the best, and raise the floors by them."""
        if not self._k:
            return
        touched = np.unique(spilled) if queries is None else queries
        counts = scanning.empty(touched, self._arrays, self._k)
        held = np.arange(self._scores.shape[1]) < counts[:, None]
        pairs = np.concatenate([np.repeat(touched, counts), spilled])
        candidates = np.concatenate([self._candidates[touched][held], candidates])
        exact = self._score(pairs, candidates)
        scanning.keep_best(self._best.indices, self._best.scores, pairs, candidates, exact)
        scanning.raise_floors(touched, self._best.scores[touched, -1], 1.0, self._arrays)


def _spill(size: int) -> tuple[ndarray, ndarray]:
    """Return room for as many pairs as there may be; what is not written to takes no memory."""
    return np.empty(size, dtype=np.int64), np.empty(size, dtype=np.int64)
