"""Bitext accuracy, F1 and xSIM."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from mling_embed.errors import UsageError
from mling_embed.metrics.bitext import bitext_scores, direction_scores, weighted_f1
from mling_embed.metrics.xsim import xsim


def test_by_hand() -> None:
    source = np.array([[1.0, 0], [0, 5], [1, 0.1]])
    target = np.array([[2.0, 0], [0.1, 1], [0, 1]])
    scores = bitext_scores(source, target, source_texts=["a", "b", "a"], target_texts=["x", "y", "y"])
    # source 0 -> 0; source 1 -> 2 (text y, as row 1's); source 2 -> 0.
    assert (scores.forward.hits, scores.forward.safe_hits, scores.forward.n) == (1, 2, 3)
    assert scores.forward.missed == (2,)
    # target 0 -> 0; 1 -> 1; 2 -> 1 (text b, row 2 has a).
    assert (scores.backward.hits, scores.backward.missed) == (2, (2,))
    assert scores.forward.accuracy == pytest.approx(1 / 3)
    assert scores.forward.safe_accuracy == pytest.approx(2 / 3)
    # Row 0 is retrieved twice, once rightly: F1 2/3; rows 1 and 2 have 0.
    assert scores.forward.f1 == pytest.approx(2 / 9)


def test_duplicates_are_no_errors() -> None:
    retrieved = np.array([0, 0, 2])
    scores = direction_scores(retrieved, ["same", "same", "other"])
    assert (scores.hits, scores.safe_hits) == (2, 3)


@settings(max_examples=50)
@given(st.lists(st.integers(0, 11), min_size=12, max_size=12))
def test_f1_parity_with_sklearn(retrieved: list[int]) -> None:
    expected = f1_score(np.arange(12), retrieved, average="weighted", zero_division=0)
    assert weighted_f1(np.array(retrieved)) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=15)
@given(st.permutations(range(25)), st.floats(0.01, 100))
def test_permuting_pairs_and_scaling_vectors_change_nothing(order: list[int], scale: float) -> None:
    rng = np.random.default_rng(3)
    source = rng.standard_normal((25, 5))
    target = source + rng.standard_normal((25, 5))
    texts = [f"t{i}" for i in range(25)]
    plain = bitext_scores(source, target, source_texts=texts, target_texts=texts)
    other = bitext_scores(
        source[order] * scale,
        target[order],
        source_texts=[texts[i] for i in order],
        target_texts=[texts[i] for i in order],
    )
    assert (other.forward.hits, other.backward.hits) == (plain.forward.hits, plain.backward.hits)
    assert other.forward.f1 == pytest.approx(plain.forward.f1)
    assert xsim(source[order] * scale, target[order]) == xsim(source, target)


def test_the_sides_are_symmetric() -> None:
    rng = np.random.default_rng(4)
    source, target = rng.standard_normal((2, 30, 6))
    left, right = [f"a{i % 20}" for i in range(30)], [f"b{i % 25}" for i in range(30)]
    one = bitext_scores(source, target, source_texts=left, target_texts=right)
    two = bitext_scores(target, source, source_texts=right, target_texts=left)
    assert (one.forward, one.backward) == (two.backward, two.forward)


def test_xsim_by_hand() -> None:
    vectors = np.eye(4)
    assert xsim(vectors, vectors) == 0.0
    assert xsim(vectors, vectors[[1, 0, 2, 3]]) == 50.0
    assert xsim(vectors, vectors[[1, 0, 2, 3]], target_texts=["same", "same", "x", "y"]) == 0.0


@pytest.mark.usefixtures("unchecked_shapes")
def test_errors() -> None:
    with pytest.raises(UsageError, match="2 and 3 vectors of 2 and 3 texts"):
        bitext_scores(np.ones((2, 2)), np.ones((3, 2)), source_texts=["a"] * 2, target_texts=["b"] * 3)
    with pytest.raises(UsageError, match="at least one"):
        bitext_scores(np.ones((0, 2)), np.ones((0, 2)), source_texts=[], target_texts=[])
    with pytest.raises(UsageError, match="2 sources against 3 targets"):
        xsim(np.ones((2, 2)), np.ones((3, 2)))
