"""LexRank, beside networkx's PageRank."""

from __future__ import annotations

import networkx
import numpy as np
import pytest

from mling_embed.errors import UsageError
from mling_embed.summarization.centrality import lexrank


def test_by_hand() -> None:
    # The middle one is like both others, which are not like each other.
    rows = np.array([[1.0, 0.0], [2**-0.5, 2**-0.5], [0.0, 1.0]], dtype=np.float32)
    assert lexrank(rows, damping=1.0) == pytest.approx([0.25, 0.5, 0.25], abs=1e-6)
    assert lexrank(rows, damping=0.0) == pytest.approx([1 / 3] * 3)


def test_parity_with_pagerank() -> None:
    rows = np.random.default_rng(0).normal(size=(15, 4)).astype(np.float32)
    unit = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float64)
    weights = np.maximum(unit @ unit.T, 0)
    np.fill_diagonal(weights, 0)
    expected = networkx.pagerank(
        networkx.from_numpy_array(weights, create_using=networkx.DiGraph), alpha=0.85, tol=1e-12
    )
    found = lexrank(rows)
    assert found == pytest.approx([expected[place] for place in range(15)], abs=1e-6)
    assert found.sum() == pytest.approx(1.0)
    assert lexrank(rows * 5) == pytest.approx(found, abs=1e-7)


def test_the_order_of_sentences_does_not_matter() -> None:
    random = np.random.default_rng(1)
    rows, order = random.normal(size=(9, 5)).astype(np.float32), random.permutation(9)
    assert lexrank(rows[order]) == pytest.approx(lexrank(rows)[order], abs=1e-7)


def test_sentences_that_resemble_none() -> None:
    assert lexrank(np.eye(3, dtype=np.float32)) == pytest.approx([1 / 3] * 3)
    assert lexrank(np.zeros((1, 3), dtype=np.float32)) == pytest.approx([1.0])
    with pytest.raises(UsageError, match="0 sentences"):
        lexrank(np.zeros((0, 3), dtype=np.float32))
    with pytest.raises(UsageError, match=r"a damping of 1\.5"):
        lexrank(np.eye(2, dtype=np.float32), damping=1.5)
