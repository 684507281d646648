"""The shortlist of one direction: what a coarse pass cannot rule out, and the exact best of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from mling_embed.neighbors.order import Neighbors

LEAST_PENDING, MOST_PENDING = 1 << 18, 1 << 23  # candidates that wait, of 24 bytes each

Scorer = Callable[[Tensor, Tensor], Float64[Tensor, " n_pairs"]]


class Shortlist:
    """Keep for each query every candidate whose exact score may be among the `k` best.

    A coarse score c stands for any exact score from c - radius to c + radius. Let v be the k-th largest coarse score
    seen for a query: k exact scores are at least v - radius, so that whoever is among the k best, or ties with them, has
    a coarse score of at least v - 2 * radius, the query's *floor*. Where the k-th largest *exact* score e is known,
    e - radius is a floor too. Floors only rise; what lies on a floor or above waits, is scored exactly, and the best of
    it are the neighbors. No exact score that belongs among them is ever dropped, whatever the tiles.

    Args:
        radius: Bound of each query's coarse errors. Shape: (n_queries,).
        k: Neighbors for each query, at most as many as there are candidates.
        scorer: Gives the exact scores of pairs of query and candidate.
    """

    def __init__(self, radius: Float64[Tensor, " n_queries"], k: int, scorer: Scorer) -> None:
        self._radius, self._k, self._score = radius, k, scorer
        self._floor = torch.full_like(radius, -torch.inf)
        self._leaders = torch.full((len(radius), k), -torch.inf, dtype=torch.float64, device=radius.device)
        self._waiting: list[tuple[Tensor, Tensor, Tensor]] = []
        self._n_waiting = 0
        self._most = min(max(LEAST_PENDING, 4 * k * len(radius)), MOST_PENDING)
        self._best = Neighbors(
            np.full((len(radius), k), np.iinfo(np.int64).max, dtype=np.int64), np.full((len(radius), k), -np.inf)
        )

    def take(self, tile: Tensor, maxima: Tensor, *, query: int, candidate: int) -> None:
        """Look through a tile of coarse scores.

        Args:
            tile: Coarse scores; minus infinity is no score. Shape: (rows, groups * size).
            maxima: The largest score of each group; group g holds the columns g, g + groups, ... Shape: (rows, groups).
            query: Index of the first row.
            candidate: Index of the first column.
        """
        floor = self._floor[query : query + len(tile)]
        rows = (maxima >= floor[:, None]).any(dim=1).nonzero()[:, 0]
        if not len(rows):
            return
        maxima = maxima[rows]
        self._raise(rows + query, maxima)
        floor = floor[rows]
        place, group = (maxima >= floor[:, None]).nonzero(as_tuple=True)
        columns = group[:, None] + torch.arange(0, tile.shape[1], maxima.shape[1], device=tile.device)
        scores = tile[rows[place][:, None], columns]
        pair, member = ((scores >= floor[place][:, None]) & (scores > -torch.inf)).nonzero(as_tuple=True)
        self._waiting.append((rows[place[pair]] + query, columns[pair, member] + candidate, scores[pair, member]))
        self._n_waiting += len(pair)
        if self._n_waiting > self._most:
            self._drop_below_floors()
        if self._n_waiting > self._most // 2:
            self._settle()

    def neighbors(self) -> Neighbors:
        """Return the neighbors, once every tile was seen."""
        self._settle()
        return self._best

    def _raise(self, queries: Int64[Tensor, " rows"], maxima: Tensor) -> None:
        """Raise the floors of queries by the maxima of new groups: no two groups share a candidate."""
        leaders = torch.cat([self._leaders[queries], maxima.double()], dim=1).topk(self._k, dim=1).values
        self._leaders[queries] = leaders
        self._floor[queries] = torch.maximum(self._floor[queries], leaders[:, -1] - 2 * self._radius[queries])

    def _drop_below_floors(self) -> tuple[Tensor, Tensor, Tensor]:
        queries, candidates, scores = (torch.cat(column) for column in zip(*self._waiting, strict=True))
        kept = (scores >= self._floor[queries]).nonzero()[:, 0]
        remaining = (queries[kept], candidates[kept], scores[kept])
        self._waiting, self._n_waiting = [remaining], len(kept)
        return remaining

    def _settle(self) -> None:
        """Score what waits, keep the best, and raise the floors by them."""
        if not self._waiting:
            return
        queries, candidates, _ = self._drop_below_floors()
        queries, order = queries.sort()
        candidates = candidates[order]
        exact = self._score(queries, candidates).cpu().numpy()
        self._waiting, self._n_waiting = [], 0
        touched = queries.unique_consecutive()
        self._keep_best(touched.cpu().numpy(), queries.cpu().numpy(), candidates.cpu().numpy(), exact)
        worst = torch.from_numpy(self._best.scores[touched.cpu().numpy(), -1]).to(self._floor.device)
        self._floor[touched] = torch.maximum(self._floor[touched], worst - self._radius[touched])

    def _keep_best(self, touched: np.ndarray, queries: np.ndarray, candidates: np.ndarray, exact: np.ndarray) -> None:
        """Merge exactly scored candidates into the best of the queries that they belong to."""
        k = self._k
        queries = np.concatenate([np.repeat(touched, k), queries])
        candidates = np.concatenate([self._best.indices[touched].ravel(), candidates])
        exact = np.concatenate([self._best.scores[touched].ravel(), exact])
        order = np.lexsort((candidates, -exact, queries))
        starts = np.searchsorted(queries[order], touched)
        best = order[starts[:, None] + np.arange(k)]
        self._best.indices[touched], self._best.scores[touched] = candidates[best], exact[best]
