"""Margins over neighborhoods."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mling_embed.neighbors.margins import Margin, best_by_margin, csls, margin_scores, mean_similarity
from mling_embed.neighbors.topk import top_k_both
from mling_embed.neighbors.vectors import unit_rows


def sides(seed: int, n: int = 30) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    source = rng.standard_normal((n, 6))
    return unit_rows(source), unit_rows(source + 0.7 * rng.standard_normal((n, 6)))


def test_by_hand() -> None:
    similarity, a, b = np.array([0.8, 0.6]), np.array([0.5, 0.5]), np.array([0.7, 0.1])
    np.testing.assert_allclose(margin_scores(similarity, a, b), [0.8 / 0.6, 0.6 / 0.3])
    np.testing.assert_allclose(margin_scores(similarity, a, b, margin=Margin.DISTANCE), [0.2, 0.3])
    np.testing.assert_allclose(margin_scores(similarity, a, b, margin=Margin.ABSOLUTE), [0.8, 0.6])
    np.testing.assert_allclose(csls(similarity, a, b), [0.4, 0.6])
    assert margin_scores(np.array([0.5]), np.array([0.1]), np.array([-0.1])).tolist() == [0.0]


def test_the_margin_overrules_the_cosine() -> None:
    # Target 0 is a hub, near to everything; target 1 is source 0's own.
    source = unit_rows(np.array([[1, 0.45, 0], [1, 0, 0.1], [1, -0.1, 0]]))
    target = unit_rows(np.array([[1, 0.02, 0], [1, 1.1, 0]]))
    assert best_by_margin(source, target, k=2, margin=Margin.ABSOLUTE)[0].tolist() == [0, 0, 0]
    assert best_by_margin(source, target, k=2, margin=Margin.RATIO)[0].tolist() == [1, 0, 0]


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 8))
def test_csls_ranks_as_the_distance_margin(seed: int, k: int) -> None:
    source, target = sides(seed)
    forward, backward = top_k_both(source, target, k)
    a, b = mean_similarity(forward), mean_similarity(backward)
    similarity = (source @ target.T).astype(np.float64)
    distance = margin_scores(similarity, a[:, None], b[None, :], margin=Margin.DISTANCE)
    scaled = csls(similarity, a[:, None], b[None, :])
    np.testing.assert_allclose(scaled, 2 * distance, atol=1e-12)
    np.testing.assert_array_equal(np.argsort(-scaled.round(12)), np.argsort(-(2 * distance).round(12)))


@pytest.mark.parametrize("margin", list(Margin))
def test_parity_with_the_definition(margin: Margin) -> None:
    source, target = sides(5)
    k, similarity = 4, (source @ target.T).astype(np.float64)
    a = -np.sort(-similarity, axis=1)[:, :k].mean(axis=1)
    b = -np.sort(-similarity, axis=0)[:k].mean(axis=0)
    expected = []
    for i, row in enumerate(similarity):
        near = np.argsort(-row)[:k]
        middle = (a[i] + b[near]) / 2
        score = {Margin.RATIO: row[near] / middle, Margin.DISTANCE: row[near] - middle, Margin.ABSOLUTE: row[near]}
        expected.append(near[np.argmax(score[margin])])
    found, scores = best_by_margin(source, target, k=k, margin=margin)
    assert found.tolist() == expected
    assert scores.shape == (30,)


@settings(max_examples=15)
@given(st.permutations(range(30)), st.sampled_from(list(Margin)))
def test_the_order_of_the_targets_does_not_matter(order: list[int], margin: Margin) -> None:
    source, target = sides(7)
    plain, _ = best_by_margin(source, target, margin=margin)
    shuffled, _ = best_by_margin(source, target[order], margin=margin)
    np.testing.assert_array_equal(np.asarray(order)[shuffled], plain)


def test_a_side_smaller_than_k() -> None:
    found, scores = best_by_margin(np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32)[:1], k=4)
    assert found.tolist() == [0, 0]
    np.testing.assert_allclose(scores, [1 / 0.75, 0])
