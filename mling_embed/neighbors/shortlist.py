"""Shortlists: what `reservoirs` is on a processor, for an accelerator, in torch."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor
from torch.nn import functional

from mling_embed.neighbors import scanning
from mling_embed.neighbors.order import Neighbors, no_neighbors
from mling_embed.neighbors.reservoirs import Scorer

GROUP = 32  # most candidates that share a maximum
LEAST_WAITING, MOST_WAITING = 1 << 18, 1 << 25  # candidates, of 24 bytes each


class Shortlist:
    """Keep for each query every candidate whose exact score may be among the `k` best, as `Reservoirs` explains.

    A floor rises by the maxima of groups of candidates: no two groups share one, so that the k-th largest maximum is at
    most the k-th largest score; and only groups whose maximum reaches it are looked into.

    Args:
        radius: Bound of each query's coarse errors. Shape: (n_queries,).
        k: Neighbors for each query, at most as many as there are candidates.
        scorer: Gives the exact scores of pairs of query and candidate.
    """

    def __init__(self, radius: Float64[Tensor, " n_queries"], k: int, scorer: Scorer) -> None:
        self._radius, self._k, self._score = radius, k, scorer
        self._floor = torch.full_like(radius, -torch.inf)
        self._leaders = radius.new_full((len(radius), k), -torch.inf)
        self._waiting: list[tuple[Tensor, Tensor, Tensor]] = []
        self._most = min(max(LEAST_WAITING, 4 * k * len(radius)), MOST_WAITING)
        self._best = no_neighbors(len(radius), k)

    def take(self, tile: Tensor, *, query: int, candidate: int, transposed: bool = False) -> None:
        """Look through a tile of coarse scores.

        Args:
            tile: Coarse scores, a row for each query, or a column if `transposed`.
            query: Index of its first query.
            candidate: Index of its first candidate.
            transposed: Whether the queries are the columns.
        """
        n = tile.shape[0 if transposed else 1]
        size = int(np.clip(n // (4 * self._k), 1, GROUP))
        missing = -n % size
        if missing:
            tile = functional.pad(tile, (0, 0, 0, missing) if transposed else (0, missing), value=-torch.inf)
        if transposed:
            self._take(tile.T, tile.view(size, -1, tile.shape[1]).amax(dim=0).T, query, candidate)
        else:
            self._take(tile, tile.view(len(tile), size, -1).amax(dim=1), query, candidate)

    def take_both(self, tile: Tensor, backward: Shortlist, *, query: int, candidate: int) -> None:
        """Look through a tile of coarse scores for its rows, and for its columns, the queries of `backward`."""
        self.take(tile, query=query, candidate=candidate)
        backward.take(tile, query=candidate, candidate=query, transposed=True)

    def neighbors(self) -> Neighbors:
        """Return the neighbors, once every tile was seen."""
        self._settle()
        return self._best

    def _take(self, scores: Tensor, maxima: Tensor, query: int, candidate: int) -> None:
        """Look into the groups that reach a floor; group g holds the columns g, g + groups, g + 2 groups, ..."""
        floor = self._floor[query : query + len(scores)]
        rows = (maxima >= floor[:, None]).any(dim=1).nonzero()[:, 0]
        maxima = maxima[rows]
        self._raise(rows + query, maxima)
        place, group = (maxima >= floor[rows][:, None]).nonzero(as_tuple=True)
        columns = group[:, None] + torch.arange(0, scores.shape[1], maxima.shape[1], device=scores.device)
        members = scores[rows[place][:, None], columns]
        reached = (members >= floor[rows[place]][:, None]) & (members > -torch.inf)
        pair, member = reached.nonzero(as_tuple=True)
        self._waiting.append((rows[place[pair]] + query, columns[pair, member] + candidate, members[pair, member]))
        if sum(len(queries) for queries, _, _ in self._waiting) > self._most:
            self._drop_below_floors()
            if len(self._waiting[0][0]) > self._most // 2:
                self._settle()

    def _raise(self, queries: Int64[Tensor, " rows"], maxima: Tensor) -> None:
        leaders = torch.cat([self._leaders[queries], maxima.double()], dim=1).topk(self._k, dim=1).values
        self._leaders[queries] = leaders
        self._floor[queries] = torch.maximum(self._floor[queries], leaders[:, -1] - 2 * self._radius[queries])

    def _drop_below_floors(self) -> None:
        queries, candidates, scores = (torch.cat(column) for column in zip(*self._waiting, strict=True))
        kept = scores >= self._floor[queries]
        self._waiting = [(queries[kept], candidates[kept], scores[kept])]

    def _settle(self) -> None:
        """Score what waits exactly, keep the best, and raise the floors by them."""
        if not self._waiting:
            return
        self._drop_below_floors()
        queries, order = self._waiting[0][0].sort()
        pairs, candidates = queries.cpu().numpy(), self._waiting[0][1][order].cpu().numpy()
        self._waiting = []
        exact = self._score(pairs, candidates)
        scanning.keep_best(self._best.indices, self._best.scores, pairs, candidates, exact)
        worst = torch.from_numpy(self._best.scores[:, -1].copy()).to(self._floor.device)
        self._floor = torch.maximum(self._floor, worst - self._radius)
