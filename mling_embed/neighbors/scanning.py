"""Compiled loops of the search on a processor: scanning tiles, adding exact inner products, keeping the best."""

from __future__ import annotations

from typing import Any, no_type_check

import numpy as np
from numba import njit
from numpy import ndarray

# Scores that are compared at a time: what is below every floor is passed over at memory's speed.
STRIDE = 64
LEAST_FILL = 4  # candidates, and half a neighborhood, that a reservoir takes before its floor is raised


def compiled(function: Any, **options: Any) -> Any:
    """Compile a function of plain loops over arrays with Numba, once for the life of its cache.

    It leaves Python's lock and starts no threads, so that callers run it on as many as they like; its arithmetic is not
    relaxed. Its types are Numba's to check.
    """
    try:
        return njit(cache=True, nogil=True, **options)(function)
    except RuntimeError:  # no folder for the cache can be written to
        return njit(nogil=True, **options)(function)


def inlined(function: Any) -> Any:
    """Compile a function into those that call it."""
    return compiled(function, inline="always")


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
    floors, _, counts, full_at, candidates, kept = reservoirs
    spilled = 0
    for row in range(first, stop):
        scores, owner = tile[row], query + row
        for start in range(0, len(scores), STRIDE):
            some = scores[start : start + STRIDE]
            if not _reaches(some, floors[owner]):
                continue
            for place in range(len(some)):
                if some[place] >= floors[owner]:
                    if counts[owner] == full_at[owner]:
                        _make_room(owner, reservoirs, k)
                    column = candidate + start + place
                    spilled += _put(owner, column, some[place], counts, candidates, kept, spill, spilled)
    return spilled


@compiled
@no_type_check
def scan_both(
    tile: ndarray,
    query: int,
    candidate: int,
    ours: tuple[ndarray, ...],
    theirs: tuple[ndarray, ...],
    ks: tuple[int, int],
    spills: tuple[tuple[ndarray, ndarray], tuple[ndarray, ndarray]],
) -> tuple[int, int]:
    """Do so for the rows of a tile and, reading it once, for its columns, the queries of `theirs`.

    Returns:
        The numbers of candidates of rows and of columns that found no room; they stand in `spills`.
    """
    # Out of their tuples: taking them out again for each candidate costs more than the candidate.
    floors, _, counts, full_at, candidates, kept = ours
    _, _, counts_back, full_back_at, candidates_back, kept_back = theirs
    limits = theirs[0][candidate : candidate + tile.shape[1]]
    spilled, spilled_back = 0, 0
    for row in range(tile.shape[0]):
        scores, owner = tile[row], query + row
        floor = floors[owner]
        start = _next_reached(scores, floor, limits, 0)
        while start < len(scores):
            some, some_limits = scores[start : start + STRIDE], limits[start : start + STRIDE]
            for place in range(len(some)):
                score = some[place]
                if score < min(floor, some_limits[place]):
                    continue
                column = candidate + start + place
                if score >= floor:
                    if counts[owner] == full_at[owner]:
                        _make_room(owner, ours, ks[0])
                        floor = floors[owner]
                    spilled += _put(owner, column, score, counts, candidates, kept, spills[0], spilled)
                if score >= some_limits[place]:
                    if counts_back[column] == full_back_at[column]:
                        _make_room(column, theirs, ks[1])
                    spilled_back += _put(
                        column, owner, score, counts_back, candidates_back, kept_back, spills[1], spilled_back
                    )
            start = _next_reached(scores, floor, limits, start + STRIDE)
    return spilled, spilled_back


@compiled
@no_type_check
def _next_reached(scores: ndarray, floor: float, floors: ndarray, start: int) -> int:
    """Return where the next scores begin of which one is on a floor or above: on one that all share, or on its own."""
    for begin in range(start, len(scores), STRIDE):
        if _reaches_either(scores[begin : begin + STRIDE], floor, floors[begin : begin + STRIDE]):
            return begin
    return len(scores)


@inlined
@no_type_check
def _reaches(scores: ndarray, floor: float) -> bool:
    """Say whether a score is on a floor or above; looking at them all is faster than stopping at the first."""
    reached = False
    for place in range(len(scores)):
        reached |= scores[place] >= floor
    return reached


@inlined
@no_type_check
def _reaches_either(scores: ndarray, floor: float, floors: ndarray) -> bool:
    """Say whether a score is on a floor that they share, or on its own, or above."""
    reached = False
    for place in range(len(scores)):
        reached |= scores[place] >= min(floor, floors[place])
    return reached


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
    """Drop what is below the floor; what stays nearly full would be gone through again and again, so that it waits.

    Else it is gone through again after half a neighborhood more: the sooner a floor rises, the less lies above it.
    """
    counts, full_at, room = reservoirs[2], reservoirs[3], reservoirs[5].shape[1]
    drop_below_floor(query, reservoirs, k)
    full_at[query] = min(room, counts[query] + k // 2 + LEAST_FILL)
    if counts[query] > room - room // 4:
        counts[query] = -counts[query]


@compiled
@no_type_check
def drop_below_floor(query: int, reservoirs: tuple[ndarray, ...], k: int) -> None:
    """Raise a query's floor to its k-th largest coarse score less two radii, and drop what lies below."""
    floors, radii, counts, _, candidates, scores = reservoirs
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
    middle, quarter = (dim + 1) // 2, dim // 4
    products = np.zeros(max(middle, 1), dtype=np.float64)
    for pair in range(len(rows)):
        one, other = left[rows[pair]], right[columns[pair]]
        if dim % 4 == 0:  # two folds in one reading
            width = quarter
            for place in range(quarter):
                products[place] = _folded(one, other, place, 2 * quarter) + _folded(
                    one, other, place + quarter, 2 * quarter
                )
        else:
            width = middle
            for place in range(dim - middle):
                products[place] = _folded(one, other, place, middle)
            if dim % 2:
                products[middle - 1] = np.float64(one[middle - 1]) * np.float64(other[middle - 1])
        while width > 1:
            half = (width + 1) // 2
            lower, upper = products[: width - half], products[half:width]
            for place in range(len(lower)):
                lower[place] += upper[place]
            width = half
        found[pair] = products[0]


@inlined
@no_type_check
def _folded(one: ndarray, other: ndarray, place: int, half: int) -> float:
    """Return a product and the one half the width further, added: both are exact, so that nothing else rounds."""
    return np.float64(one[place]) * np.float64(other[place]) + np.float64(one[half + place]) * np.float64(
        other[half + place]
    )


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
