"""Compiled loops of the search on a processor: scanning tiles, adding exact inner products, keeping the best."""

from __future__ import annotations

from typing import Any, no_type_check

import numpy as np
from numba import njit
from numpy import ndarray

# Numba compiles plain loops over arrays, once for the life of its cache. They leave Python's lock and start no threads,
# so that callers run them on as many as they like. None has relaxed arithmetic. Types are Numba's to check.
compiled: Any = njit(cache=True, nogil=True)
inlined: Any = njit(cache=True, nogil=True, inline="always")

# Scores that are compared at a time: what is below every floor is passed over at memory's speed.
STRIDE, STEP = 64, 8


@compiled
@no_type_check
def scan_rows(
    tile: ndarray,
    first: int,
    stop: int,
    query: int,
    candidate: int,
    reservoirs: tuple[ndarray, ...],
    k: int,
    spill: tuple[ndarray, ndarray],
) -> int:
    """Put the scores of tile rows `first` to `stop` that lie on their queries' floors or above into the reservoirs.

    Returns:
        The number of candidates that found no room; they stand in `spill`.
    """
    floors, _, counts, candidates, kept = reservoirs
    room = kept.shape[1]
    spilled = 0
    for row in range(first, stop):
        scores, owner = tile[row], query + row
        for start in range(0, len(scores), STRIDE):
            if not _reaches(scores[start : start + STRIDE], floors[owner]):
                continue
            for step in range(start, min(start + STRIDE, len(scores)), STEP):
                if not _reaches(scores[step : step + STEP], floors[owner]):
                    continue
                for column in range(step, min(step + STEP, len(scores))):
                    if scores[column] >= floors[owner]:
                        if counts[owner] == room:
                            _make_room(owner, reservoirs, k)
                        spilled += _put(
                            owner, candidate + column, scores[column], counts, candidates, kept, spill, spilled
                        )
    return spilled


@compiled
@no_type_check
def scan_columns(
    tile: ndarray,
    first: int,
    stop: int,
    query: int,
    candidate: int,
    reservoirs: tuple[ndarray, ...],
    k: int,
    spill: tuple[ndarray, ndarray],
) -> int:
    """Do the same for tile columns `first` to `stop`, which are the queries here."""
    floors, _, counts, candidates, kept = reservoirs
    room = kept.shape[1]
    limits = floors[query : query + tile.shape[1]]
    spilled = 0
    for row in range(tile.shape[0]):
        scores = tile[row]
        for start in range(first, stop, STRIDE):
            if not _reaches_any(scores[start : min(start + STRIDE, stop)], limits[start : start + STRIDE]):
                continue
            for step in range(start, min(start + STRIDE, stop), STEP):
                if not _reaches_any(scores[step : min(step + STEP, stop)], limits[step : step + STEP]):
                    continue
                for column in range(step, min(step + STEP, stop)):
                    if scores[column] >= limits[column]:
                        owner = query + column
                        if counts[owner] == room:
                            _make_room(owner, reservoirs, k)
                        spilled += _put(
                            owner, candidate + row, scores[column], counts, candidates, kept, spill, spilled
                        )
    return spilled


@inlined
@no_type_check
def _reaches(scores: ndarray, floor: float) -> bool:
    """Say whether a score is on a floor or above; counting them all is faster than stopping at the first."""
    hits = np.int32(0)
    for place in range(len(scores)):
        hits += np.int32(scores[place] >= floor)
    return hits > 0


@inlined
@no_type_check
def _reaches_any(scores: ndarray, floors: ndarray) -> bool:
    """Say whether a score is on its own floor or above."""
    hits = np.int32(0)
    for place in range(len(scores)):
        hits += np.int32(scores[place] >= floors[place])
    return hits > 0


@inlined
@no_type_check
def _put(
    owner: int,
    candidate: int,
    score: float,
    counts: ndarray,
    candidates: ndarray,
    kept: ndarray,
    spill: tuple[ndarray, ndarray],
    spilled: int,
) -> int:
    """Put a candidate into its query's reservoir, or into the spill if that waits for exact scores."""
    count = counts[owner]
    if count < 0:
        spill[0][spilled], spill[1][spilled] = owner, candidate
        return 1
    candidates[owner, count], kept[owner, count] = candidate, score
    counts[owner] = count + 1
    return 0


@compiled
@no_type_check
def _make_room(query: int, reservoirs: tuple[ndarray, ...], k: int) -> None:
    """Drop what is below the floor; what stays nearly full would be gone through again and again, so that it waits."""
    counts, room = reservoirs[2], reservoirs[4].shape[1]
    drop_below_floor(query, reservoirs, k)
    if counts[query] > room - room // 4:
        counts[query] = -counts[query]


@compiled
@no_type_check
def drop_below_floor(query: int, reservoirs: tuple[ndarray, ...], k: int) -> None:
    """Raise a query's floor to its k-th largest coarse score less two radii, and drop what lies below."""
    floors, radii, counts, candidates, scores = reservoirs
    count = counts[query]
    if count > k:
        _raise(floors, query, _kth_largest(scores[query, :count].copy(), k) - 2 * radii[query])
    kept = 0
    for place in range(count):
        if scores[query, place] >= floors[query]:
            candidates[query, kept], scores[query, kept] = candidates[query, place], scores[query, place]
            kept += 1
    counts[query] = kept


@compiled
@no_type_check
def _kth_largest(scores: ndarray, k: int) -> float:
    """Return the k-th largest score by Hoare's selection, which reorders them."""
    first, last, place = 0, len(scores) - 1, k - 1
    while first < last:
        pivot, left, right = scores[place], first, last
        while left <= right:
            while scores[left] > pivot:
                left += 1
            while scores[right] < pivot:
                right -= 1
            if left <= right:
                scores[left], scores[right] = scores[right], scores[left]
                left, right = left + 1, right - 1
        if right < place:
            first = left
        if left > place:
            last = right
    return scores[place]


@compiled
@no_type_check
def empty(queries: ndarray, reservoirs: tuple[ndarray, ...], k: int) -> ndarray:
    """Empty the reservoirs of queries, and return how many candidates, on their floors or above, each still holds."""
    counts = reservoirs[2]
    held = np.empty(len(queries), dtype=np.int64)
    for place, query in enumerate(queries):
        counts[query] = abs(counts[query])
        drop_below_floor(query, reservoirs, k)
        held[place] = counts[query]
        counts[query] = 0
    return held


@compiled
@no_type_check
def raise_floors(queries: ndarray, worst: ndarray, radii: float, reservoirs: tuple[ndarray, ...]) -> None:
    """Raise the floors of queries to their k-th scores less a radius, or two where the scores are coarse."""
    for place, query in enumerate(queries):
        _raise(reservoirs[0], query, worst[place] - radii * reservoirs[1][query])


@compiled
@no_type_check
def _raise(floors: ndarray, query: int, floor: float) -> None:
    """Raise a floor, though not by rounding it to fp32."""
    floors[query] = max(floors[query], floor - abs(floor) * 2.0**-23 - 2.0**-140)


@compiled
@no_type_check
def add_products(left: ndarray, right: ndarray, rows: ndarray, columns: ndarray, found: ndarray) -> None:
    """Write the inner product of each pair of a left and a right row, folded by halves."""
    dim = left.shape[1]
    products = np.zeros(max(dim, 1), dtype=np.float64)
    for pair in range(len(rows)):
        one, other = left[rows[pair]], right[columns[pair]]
        for place in range(dim):
            products[place] = np.float64(one[place]) * np.float64(other[place])
        width = dim
        while width > 1:
            half = (width + 1) // 2
            lower, upper = products[: width - half], products[half:width]
            for place in range(len(lower)):
                lower[place] += upper[place]
            width = half
        found[pair] = products[0]


@compiled
@no_type_check
def keep_best(indices: ndarray, scores: ndarray, queries: ndarray, candidates: ndarray, exact: ndarray) -> None:
    """Insert exactly scored candidates into the sorted neighbors of their queries."""
    k = indices.shape[1]
    for pair in range(len(queries)):
        query, candidate, score = queries[pair], candidates[pair], exact[pair]
        place = k
        while place > 0 and (
            score > scores[query, place - 1]
            or (score == scores[query, place - 1] and candidate < indices[query, place - 1])
        ):
            if place < k:
                scores[query, place], indices[query, place] = scores[query, place - 1], indices[query, place - 1]
            place -= 1
        if place < k:
            scores[query, place], indices[query, place] = score, candidate
