"""Exact scores."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mling_embed.errors import UsageError
from mling_embed.neighbors.scoring import inner_products, rescore
from mling_embed.neighbors.topk import top_k
from mling_embed.neighbors.vectors import Vectors


def rows(n: int, dim: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, dim]).standard_normal((n, dim)).astype(np.float32)


def folded(products: list[float]) -> float:
    """Add by halves, as the definition says, in Python's floats."""
    while len(products) > 1:
        half = (len(products) + 1) // 2
        products = [a + b for a, b in zip(products, products[half:], strict=False)] + products[
            len(products) - half : half
        ]
    return products[0] if products else 0.0


@settings(max_examples=30)
@given(st.integers(0, 40), st.integers(0, 100))
def test_the_order_of_the_sum_is_the_defined_one(dim: int, seed: int) -> None:
    left, right = Vectors.both(rows(3, dim, seed), rows(4, dim, seed + 1))
    one, other = np.divmod(np.arange(12), 4)
    found = inner_products(left, right, one, other)
    expected = [
        folded([float(a) * float(b) for a, b in zip(left.stored[i], right.stored[j], strict=True)])
        for i, j in zip(one.tolist(), other.tolist(), strict=True)
    ]
    assert found.tolist() == expected
    np.testing.assert_array_equal(inner_products(right, left, other, one), found)


def test_it_is_the_true_inner_product_to_the_last_digits() -> None:
    left, right = Vectors.both(rows(1, 384), rows(1, 384, 1))
    pair = np.zeros(1, dtype=np.int64)
    true = sum(Fraction(float(a)) * Fraction(float(b)) for a, b in zip(left.stored[0], right.stored[0], strict=True))
    assert inner_products(left, right, pair, pair)[0] == pytest.approx(float(true), rel=1e-14)


def test_half_precision_and_memory_maps_give_the_scores_of_their_values(tmp_path: Path) -> None:
    half = rows(300, 17).astype(np.float16)
    np.save(tmp_path / "half.npy", half)
    mapped = np.load(tmp_path / "half.npy", mmap_mode="r")
    one, other = np.arange(300), np.arange(300)[::-1].copy()
    wide = Vectors.both(half.astype(np.float32), half.astype(np.float32))
    np.testing.assert_array_equal(
        inner_products(*Vectors.both(mapped, mapped), one, other), inner_products(*wide, one, other)
    )


def test_rescoring_puts_hits_into_the_defined_order() -> None:
    queries, corpus = rows(20, 8), rows(50, 8, 1)
    exact = top_k(queries, corpus, 5)
    shuffled = np.random.default_rng(0).permuted(exact.indices, axis=1)
    found = rescore(queries, corpus, shuffled, 5)
    np.testing.assert_array_equal(found.indices, exact.indices)
    np.testing.assert_array_equal(found.scores, exact.scores)


def test_missing_hits_come_last() -> None:
    corpus = np.array([[1.0, 0], [2, 0], [3, 0]], dtype=np.float32)
    found = rescore(corpus[:1], corpus, np.array([[-1, 0, 2]]), 3)
    assert found.indices.tolist() == [[2, 0, -1]]
    assert found.scores.tolist() == [[3, 1, -np.inf]]
    assert rescore(corpus[:1], corpus, np.array([[1, 0, 2]]), 2).indices.tolist() == [[2, 1]]


@pytest.mark.usefixtures("unchecked_shapes")
def test_errors() -> None:
    with pytest.raises(UsageError, match=r"shapes \(1, 2\) and \(1, 3\) cannot be compared"):
        rescore(np.ones((1, 2)), np.ones((1, 3)), np.zeros((1, 1), dtype=np.int64), 1)
