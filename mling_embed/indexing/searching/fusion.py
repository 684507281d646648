"""Fusion by rank: of word and vector search (Cormack et al. 2009), and of languages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

RRF_CONSTANT = 60


def reciprocal_rank_fusion(
    rankings: Sequence[Sequence[int]], *, constant: int = RRF_CONSTANT
) -> list[tuple[int, float]]:
    """Fuse rankings: each adds 1 / (constant + rank) to the score of a row; the lower row wins ties.

    >>> reciprocal_rank_fusion([[7, 3], [3, 9]], constant=0)
    [(3, 1.5), (7, 1.0), (9, 0.5)]
    """
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, row in enumerate(ranking, 1):
            scores[row] = scores.get(row, 0.0) + 1 / (constant + rank)
    return sorted(scores.items(), key=lambda found: (-found[1], found[0]))


def fuse_languages(rankings: Mapping[str, Sequence[tuple[int, float]]], k: int) -> list[tuple[int, float]]:
    """Give every language the same share of the first `k`: first the best hit of each, by score, then the second.

    >>> fuse_languages({"de": [(1, 0.9), (2, 0.8), (3, 0.7)], "en": [(4, 0.5)]}, 3)
    [(1, 0.9), (4, 0.5), (2, 0.8)]
    """
    by_rank = sorted((rank, -score, row) for ranking in rankings.values() for rank, (row, score) in enumerate(ranking))
    return [(row, -negative) for _, negative, row in by_rank[:k]]
