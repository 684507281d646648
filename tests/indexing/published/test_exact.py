"""Exact ranking from approximate scores."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mling_embed.indexing.published.exact import rank_exactly


def nearest_of(vectors: np.ndarray):
    def nearest(queries: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
        return faiss.knn(queries, vectors, n, metric=faiss.METRIC_INNER_PRODUCT)

    return nearest


def expected(queries: np.ndarray, vectors: np.ndarray, k: int, allowed: np.ndarray) -> list[list[int]]:
    scores = queries.astype(np.float64) @ vectors.astype(np.float64).T
    ranked = []
    for row in scores:
        order = [at for at in np.lexsort((np.arange(len(row)), -row)) if allowed[at]]
        ranked.append(order[:k])
    return ranked


@given(
    n=st.integers(1, 300),
    distinct=st.integers(1, 5),
    k=st.integers(1, 40),
    share=st.sampled_from([1.0, 0.5, 0.02]),
    seed=st.integers(0, 2**32 - 1),
)
def test_ranks_as_float64_does_with_ties_by_position(n: int, distinct: int, k: int, share: float, seed: int) -> None:
    drawn = np.random.default_rng(seed)
    # Few distinct vectors of few values: sums are exact in any order, ties are everywhere.
    vectors = drawn.integers(-3, 4, (distinct, 8)).astype(np.float32)[drawn.integers(0, distinct, n)]
    queries = drawn.integers(-3, 4, (3, 8)).astype(np.float32)
    allowed = drawn.random(n) < share
    longest = float(np.linalg.norm(vectors, axis=1).max())
    ranked = rank_exactly(queries, vectors, nearest_of(vectors), k, allowed=allowed, longest=longest)
    assert ranked.positions.tolist() == expected(queries, vectors, min(k, int(allowed.sum())), allowed)


def test_asks_again_until_nothing_better_can_be_missing() -> None:
    vectors = np.ones((1000, 4), dtype=np.float32)
    vectors[-1] += np.float32(1e-6)  # lost among its likes in fp32 of a bad summation, first in float64
    asked = []

    def nearest(queries: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
        asked.append(n)
        return np.full((len(queries), n), 4.0, dtype=np.float32), np.tile(np.arange(n), (len(queries), 1))

    ranked = rank_exactly(np.ones((1, 4), dtype=np.float32), vectors, nearest, 2, longest=2.1)
    assert ranked.positions.tolist() == [[999, 0]]
    assert asked == [10, 20, 40, 80, 160, 320, 640, 1000]


@pytest.mark.parametrize("k", [1, 5])
def test_nothing_allowed_gives_nothing(k: int) -> None:
    vectors = np.ones((3, 4), dtype=np.float32)
    ranked = rank_exactly(vectors[:1], vectors, nearest_of(vectors), k, allowed=np.zeros(3, dtype=bool))
    assert ranked.positions.shape == (1, 0)


def test_a_row_has_the_same_score_whatever_is_scored_beside_it() -> None:
    drawn = np.random.default_rng(0)
    row, query = drawn.standard_normal((2, 1, 16), dtype=np.float32)
    scores = set()
    for n in range(1, 40):
        vectors = np.concatenate([row, drawn.standard_normal((n, 16), dtype=np.float32), row])
        ranked = rank_exactly(query, vectors, nearest_of(vectors), n + 2)
        places = ranked.positions[0].tolist()
        assert places.index(n + 1) == places.index(0) + 1
        scores |= {ranked.scores[0, places.index(0)], ranked.scores[0, places.index(n + 1)]}
    assert len(scores) == 1
