from __future__ import annotations

import numpy as np

from mling_embed.neighbors.approximate import approximate_both, approximate_within
from mling_embed.neighbors.scoring import inner_products
from mling_embed.neighbors.topk import top_k, top_k_both
from mling_embed.neighbors.vectors import Vectors, unit_rows


def translations(n: int, dim: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    source = unit_rows(rng.standard_normal((n, dim)))
    return source, unit_rows(source + 0.5 * unit_rows(rng.standard_normal((n, dim))))


def test_what_is_found_has_exact_scores_in_the_defined_order() -> None:
    source, target = translations(3000, 32, 0)
    target = target[:2500]
    forward, backward, how = approximate_both(source, target, 4)
    assert (forward.indices.shape, backward.indices.shape) == ((3000, 4), (2500, 4))
    for found, queries, corpus in ((forward, source, target), (backward, target, source)):
        rows = np.repeat(np.arange(len(queries)), 4)
        exact = inner_products(*Vectors.both(queries, corpus), rows, found.indices.ravel())
        np.testing.assert_array_equal(found.scores.ravel(), exact)
        assert (np.diff(found.scores, axis=1) <= 0).all()
    assert how.n_queries == 500
    assert len(how.kinds) == 2


def test_the_estimated_recall_is_that_of_all_queries() -> None:
    source, target = translations(3000, 32, 1)
    forward, backward, how = approximate_both(source, target, 4, recall_target=0.6)
    exact = top_k_both(source, target, 4)
    shared = [
        len(set(row) & set(right))
        for found, true in zip((forward, backward), exact, strict=True)
        for row, right in zip(found.indices.tolist(), true.indices.tolist(), strict=True)
    ]
    assert 0.6 <= how.recall < 0.9  # or nothing is missed, and the estimate is not tried
    assert abs(how.recall - sum(shared) / (6000 * 4)) < 0.05


def test_full_effort_is_exact() -> None:
    # Every list is probed, and the candidates are all rows: nothing but the exact scores decides.
    source, target = translations(90, 8, 2)
    forward, backward, how = approximate_both(source, target, 4, recall_target=1.0)
    expected = top_k_both(source, target, 4)
    for found, true in zip((forward, backward), expected, strict=True):
        np.testing.assert_array_equal(found.indices, true.indices)
        np.testing.assert_array_equal(found.scores, true.scores)
    assert how.recall == 1.0


def test_one_set_and_a_k_beyond_it() -> None:
    vectors, _ = translations(80, 8, 3)
    found, _ = approximate_within(vectors, 100, recall_target=1.0)
    expected = top_k(vectors, vectors, 100)
    np.testing.assert_array_equal(found.indices, expected.indices)
