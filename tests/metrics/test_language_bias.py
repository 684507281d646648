"""Search in a pool of many languages."""

from __future__ import annotations

import numpy as np
import pytest

from mling_embed.errors import UsageError
from mling_embed.metrics.language_bias import (
    average_precision,
    language_shares,
    oracle_average_precision,
    pool_ranks,
    preference_rate,
)
from mling_embed.metrics.retrieval import retrieval_scores


def test_ranks_by_hand() -> None:
    queries = np.array([[2.0, 0], [0, 1]])
    pool = np.array([[1.0, 0], [1, 1], [3, 0], [0, 2]])
    ranks = pool_ranks(queries, pool, [[2, 1], [0]], top=2)
    # Rows 0 and 2 point the same way: the lower comes first. So do they for the second query, at the end.
    assert ranks.right == ((2, 3), (3,))
    assert ranks.top.tolist() == [[0, 2], [3, 1]]
    assert ranks.own == ranks.right
    spoken = pool_ranks(queries, pool, [[2, 1], [0]], languages=["de", "en", "en", "de"])
    assert (spoken.right, spoken.own) == (((2, 3), (3,)), ((1, 2), (2,)))


def test_the_oracle_merges_as_well_as_can_be() -> None:
    # Own ranks 1 and 3: the first list's right answer, then three of the second: ranks 1 and 4.
    assert oracle_average_precision([3, 1]) == pytest.approx((1 + 2 / 4) / 2)
    assert oracle_average_precision([1, 1, 1]) == 1.0
    rng = np.random.default_rng(2)
    queries, pool = rng.standard_normal((9, 5)), rng.standard_normal((60, 5))
    right = [[int(row), int(row) + 20, int(row) + 40] for row in rng.integers(0, 20, 9)]
    ranks = pool_ranks(queries, pool, right, languages=["a"] * 20 + ["b"] * 20 + ["c"] * 20)
    for merged, own in zip(ranks.right, ranks.own, strict=True):
        assert oracle_average_precision(own) >= average_precision(merged)


def test_how_often_the_own_language_stands_first() -> None:
    assert preference_rate([[1, 5], [4, 2], [3, 7], [1]], [0, 0, 1, None]) == pytest.approx(1 / 3)
    assert preference_rate([[1]], [None]) is None


def test_average_precision_by_hand() -> None:
    assert average_precision([1, 2, 3]) == 1.0
    assert average_precision([6, 2]) == pytest.approx((1 / 2 + 2 / 6) / 2)


def test_parity_with_trec_eval() -> None:
    rng = np.random.default_rng(5)
    queries, pool = rng.standard_normal((7, 6)), rng.standard_normal((90, 6))
    right = [rng.choice(90, 11, replace=False).tolist() for _ in range(7)]
    ranks = pool_ranks(queries, pool, right, top=90)
    run = {str(query): [str(row) for row in top] for query, top in enumerate(ranks.top.tolist())}
    qrels = {str(query): {str(row): 1 for row in rows} for query, rows in enumerate(right)}
    expected = retrieval_scores(run, qrels, ["AP"])["AP"].values
    assert [average_precision(each) for each in ranks.right] == pytest.approx(expected, abs=1e-9)


def test_shares_of_languages() -> None:
    shares = language_shares(np.array([[0, 1], [0, 0]]), ["de", "en", "fr"])
    assert shares == {"de": 0.75, "en": 0.25, "fr": 0.0}


def test_every_query_needs_a_right_answer() -> None:
    with pytest.raises(UsageError, match="every query needs a right answer"):
        pool_ranks(np.ones((2, 2)), np.ones((2, 2)), [[0], []])
