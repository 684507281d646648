"""The exact top-k kernel."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mling_embed.errors import UsageError
from mling_embed.neighbors.topk import top_k, top_k_both
from mling_embed.neighbors.vectors import unit_rows

# Small integers have exact inner products, and many that are equal.
INTEGERS = st.integers(-3, 3).map(float)


def rng_rows(n: int, dim: int, seed: int) -> np.ndarray:
    return unit_rows(np.random.default_rng(seed).standard_normal((n, dim)))


def reference(queries: np.ndarray, corpus: np.ndarray, k: int) -> np.ndarray:
    return np.argsort(-(queries.astype(np.float64) @ corpus.astype(np.float64).T), axis=1, kind="stable")[:, :k]


def test_by_hand() -> None:
    corpus = np.array([[1.0, 0], [0, 1], [3, 4], [-1, 0]])
    found = top_k(np.array([[1.0, 0], [0, 2]]), corpus, 2)
    assert found.indices.tolist() == [[2, 0], [2, 1]]
    assert found.scores.tolist() == [[3, 1], [8, 2]]


@pytest.mark.parametrize("k", [1, 3, 10])
def test_parity_with_faiss(k: int) -> None:
    queries, corpus = rng_rows(300, 32, 0), rng_rows(700, 32, 1)
    index = faiss.IndexFlatIP(32)
    index.add(corpus)
    scores, indices = index.search(queries, k)
    found = top_k(queries, corpus, k, query_block=64, corpus_block=100)
    np.testing.assert_array_equal(found.indices, indices)
    np.testing.assert_allclose(found.scores, scores, atol=1e-6)


@settings(max_examples=60)
@given(
    arrays(np.float32, st.tuples(st.integers(1, 9), st.just(2)), elements=INTEGERS),
    arrays(np.float32, st.tuples(st.integers(1, 12), st.just(2)), elements=INTEGERS),
    st.integers(1, 5),
    st.integers(1, 5),
    st.integers(1, 5),
)
def test_blocks_and_ties(left: np.ndarray, right: np.ndarray, k: int, rows: int, columns: int) -> None:
    forward, backward = top_k_both(left, right, k, source_block=rows, target_block=columns)
    np.testing.assert_array_equal(forward.indices, reference(left, right, k))
    np.testing.assert_array_equal(backward.indices, reference(right, left, k))
    one_way = top_k(left, right, k, query_block=rows, corpus_block=columns)
    np.testing.assert_array_equal(one_way.indices, forward.indices)
    np.testing.assert_array_equal(one_way.scores, forward.scores)


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("spread", [2, 40, 4000])
def test_ties_among_many(k: int, spread: int) -> None:
    rng = np.random.default_rng(spread)
    queries = rng.integers(-spread, spread + 1, (50, 3)).astype(np.float32)
    corpus = rng.integers(-spread, spread + 1, (901, 3)).astype(np.float32)
    forward, backward = top_k_both(queries, corpus, k)
    np.testing.assert_array_equal(forward.indices, reference(queries, corpus, k))
    np.testing.assert_array_equal(backward.indices, reference(corpus, queries, k))
    np.testing.assert_array_equal(top_k(corpus, queries, k).indices, backward.indices)
    np.testing.assert_array_equal(
        forward.scores,
        np.take_along_axis(queries.astype(np.float64) @ corpus.astype(np.float64).T, forward.indices, axis=1),
    )


@given(st.permutations(range(20)))
@settings(max_examples=20)
def test_the_order_of_the_corpus_does_not_matter(order: list[int]) -> None:
    queries, corpus = rng_rows(5, 8, 2), rng_rows(20, 8, 3)
    plain, shuffled = top_k(queries, corpus, 4), top_k(queries, corpus[order], 4)
    np.testing.assert_array_equal(np.asarray(order)[shuffled.indices], plain.indices)


def test_k_is_clamped_and_sides_may_be_empty() -> None:
    forward, backward = top_k_both(np.ones((3, 2)), np.ones((2, 2)), 4)
    assert forward.indices.tolist() == [[0, 1]] * 3
    assert backward.indices.tolist() == [[0, 1, 2]] * 2
    assert top_k(np.ones((3, 2)), np.empty((0, 2)), 4).indices.shape == (3, 0)
    assert top_k(np.empty((0, 2)), np.ones((3, 2)), 4).indices.shape == (0, 3)


def test_negative_scores_and_read_only_input() -> None:
    corpus = -np.eye(3, dtype=np.float32)
    corpus.flags.writeable = False
    assert top_k(np.eye(3, dtype=np.float32)[:1], corpus, 3).indices.tolist() == [[1, 2, 0]]


def test_half_precision_is_compared_in_full() -> None:
    rows = rng_rows(50, 16, 4).astype(np.float16)
    found = top_k(rows, rows, 1)
    assert found.scores.dtype == np.float64
    np.testing.assert_array_equal(found.indices[:, 0], np.arange(50))


@pytest.mark.usefixtures("unchecked_shapes")
def test_errors() -> None:
    with pytest.raises(UsageError, match=r"shapes \(2, 3\) and \(2, 4\) cannot be compared"):
        top_k(np.ones((2, 3)), np.ones((2, 4)), 1)
    with pytest.raises(UsageError, match="k is 0, expected at least 1"):
        top_k(np.ones((2, 3)), np.ones((2, 3)), 0)
    broken = np.ones((3, 2))
    broken[1, 1] = np.nan
    with pytest.raises(UsageError, match="row 1 of the right side is not finite"):
        top_k(np.ones((2, 2)), broken, 1)


def test_unit_rows() -> None:
    np.testing.assert_allclose(unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]])), [[0.6, 0.8], [0, 0]], atol=1e-7)
