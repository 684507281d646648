"""Dictionary induction: neighbors by cosine and by CSLS."""

from __future__ import annotations

import numpy as np
import pytest

from mling_embed.errors import UsageError
from mling_embed.metrics.dictionary import first_right, nearest_words


def test_a_hub_is_first_by_cosine_and_not_by_csls() -> None:
    queries = np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
    hub = np.array([0.8, 0.6])
    pool = np.array([hub, [0.6, -0.8], [-0.1, 0.995]], dtype=np.float32)
    # Cosines: query 0: 0.8, 0.6, -0.1; query 1: 0.6, -0.8, 0.995. With k = 2 the pool's means are 0.7, -0.1, 0.4477.
    assert nearest_words(queries, pool, top=3).tolist() == [[0, 1, 2], [2, 0, 1]]
    # 2c - mean: query 0: 0.9, 1.3, -0.65; query 1: 0.5, -1.5, 1.54.
    assert nearest_words(queries, pool, top=3, csls_k=2).tolist() == [[1, 0, 2], [2, 0, 1]]


def test_parity_with_the_formula_of_conneau() -> None:
    random = np.random.default_rng(0)
    queries, pool = (random.normal(size=(n, 6)) for n in (12, 20))
    queries, pool = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (queries, pool))
    cosines = queries @ pool.T
    own = np.sort(cosines, axis=1)[:, -4:].mean(axis=1, keepdims=True)
    theirs = np.sort(cosines, axis=0)[-4:].mean(axis=0, keepdims=True)
    expected = np.argsort(-(2 * cosines - own - theirs), axis=1, kind="stable")[:, :5]
    found = nearest_words(queries.astype(np.float32) * 3, pool.astype(np.float32), top=5, csls_k=4)
    assert found.tolist() == expected.tolist()


def test_first_right_answers() -> None:
    retrieved = np.array([[3, 1, 2], [0, 4, 5], [1, 2, 3]])
    assert first_right(retrieved, [{1, 2}, {5}, {0}]).tolist() == [2, 3, 0]
    with pytest.raises(UsageError, match="every query needs a right answer"):
        first_right(retrieved, [{1}, set(), {2}])
