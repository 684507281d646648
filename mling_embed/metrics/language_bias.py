"""Search in a pool of many languages: are right answers found whatever language they are in?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64
from numpy import ndarray

from mling_embed.errors import UsageError
from mling_embed.neighbors.vectors import unit_rows

_SCORES_AT_ONCE = 4_000_000


@dataclass(frozen=True, slots=True)
class PoolRanks:
    """Hold where a pool's right answers stand, and what stands above all.

    Attributes:
        right: For each query the rank of each of its right answers, from 1, in the order in which they are given.
        own: The same among the rows of the answer's language alone; as `right` where no languages are given.
        top: For each query the rows of its first hits, best first. Shape: (n_queries, top).
    """

    right: tuple[tuple[int, ...], ...]
    own: tuple[tuple[int, ...], ...]
    top: Int64[ndarray, "n_queries top"]


def pool_ranks(
    queries: Float[ndarray, "n_queries dim"],
    pool: Float[ndarray, "n_pool dim"],
    right: Sequence[Sequence[int]],
    *,
    languages: Sequence[str] | None = None,
    top: int = 10,
) -> PoolRanks:
    """Rank a whole pool by cosine for each query; of equal scores the lower row comes first.

    Args:
        queries: Vectors of any norm. Shape: (n_queries, dim).
        pool: Vectors of any norm. Shape: (n_pool, dim).
        right: The rows of each query's right answers.
        languages: The language of each row of the pool.
        top: First hits to return.

    Raises:
        UsageError: A query has no right answer.
    """
    if len(right) != len(queries) or not all(right):
        raise UsageError("every query needs a right answer.")
    source, target = (unit_rows(side).astype(np.float64) for side in (queries, pool))
    codes = np.unique(list(languages) if languages is not None else [""] * len(target), return_inverse=True)[1]
    ranks: list[tuple[int, ...]] = []
    own: list[tuple[int, ...]] = []
    hits = []
    rows_at_once = max(1, _SCORES_AT_ONCE // max(1, len(pool)))
    for start in range(0, len(source), rows_at_once):
        order = np.argsort(-(source[start : start + rows_at_once] @ target.T), axis=1, kind="stable")
        hits.append(order[:, :top])
        for row, places in zip(order, right[start : start + rows_at_once], strict=True):
            place_of = np.empty(len(row), dtype=np.int64)
            place_of[row] = np.arange(1, len(row) + 1)
            ranked, spoken = codes[row], place_of[list(places)]
            ranks.append(tuple(spoken.tolist()))
            own.append(
                tuple(int((ranked[:rank] == codes[at]).sum()) for at, rank in zip(places, spoken.tolist(), strict=True))
            )
    return PoolRanks(tuple(ranks), tuple(own), np.concatenate(hits))


def average_precision(ranks: Sequence[int]) -> float:
    """Return the mean precision at the rank of each right answer (LAReQA's mAP is its mean; Roy et al. 2020).

    >>> average_precision([1, 4])
    0.75
    """
    return sum(found / rank for found, rank in enumerate(sorted(ranks), 1)) / len(ranks)


def oracle_average_precision(own: Sequence[int]) -> float:
    """Return the average precision of the best merge of the languages' own rankings: what no language bias would give.

    Each language's passages keep their order; who merges them knows where the right answer of each stands, and takes
    the lists in which it stands highest first. The i-th right answer then has the rank r_1 + ... + r_i.

    Args:
        own: The rank of the right answer of each language among the passages of that language.

    >>> oracle_average_precision([3, 1]), average_precision([1, 4])
    (0.75, 0.75)
    """
    ranks, total = [], 0
    for rank in sorted(own):
        total += rank
        ranks.append(total)
    return average_precision(ranks)


def preference_rate(ranks: Sequence[Sequence[int]], own: Sequence[int | None]) -> float | None:
    """Return how often, of right answers that say the same, that in the query's language stands first.

    The language preference rate, after Jang et al. 2026 (MLAIRE); with answers in L languages 1 / L is no preference.

    Args:
        ranks: For each query the ranks of its right answers.
        own: For each query which of them is in its own language; `None` where none is.

    Returns:
        The share of the queries that have one, or `None` if no query has.
    """
    counted = [each[place] == min(each) for each, place in zip(ranks, own, strict=True) if place is not None]
    return sum(counted) / len(counted) if counted else None


def language_shares(top: Int64[ndarray, "n_queries top"], languages: Sequence[str]) -> dict[str, float]:
    """Return the share of each language among the first hits of all queries.

    Args:
        top: Rows of the pool. Shape: (n_queries, top).
        languages: The language of each row of the pool.
    """
    counts = Counter(languages[row] for row in top.reshape(-1).tolist())
    return {language: counts[language] / top.size for language in dict.fromkeys(languages)}
