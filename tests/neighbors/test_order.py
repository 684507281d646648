"""The defined order, and lists that merge under it."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mling_embed.errors import UsageError
from mling_embed.neighbors.order import Neighbors, merge
from mling_embed.neighbors.topk import top_k, top_k_both

# Small integers have exact inner products, and many that are equal.
INTEGERS = st.integers(-3, 3).map(float)
ROWS = arrays(np.float32, st.tuples(st.integers(0, 14), st.just(2)), elements=INTEGERS)


def same(found: Neighbors, expected: Neighbors) -> None:
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_array_equal(found.scores, expected.scores)


def test_by_hand() -> None:
    first = Neighbors(np.array([[1, 0]]), np.array([[0.9, 0.5]]))
    second = Neighbors(np.array([[2, 0]]), np.array([[0.9, 0.7]]))
    merged = merge([second, first], 3, offsets=[10, 0])
    assert merged.indices.tolist() == [[1, 12, 10]]
    assert merged.scores.tolist() == [[0.9, 0.9, 0.7]]
    assert merge([first], 1).indices.tolist() == [[1]]
    assert merge([first, second], 9, offsets=[0, 2]).indices.tolist() == [[1, 4, 2, 0]]


@settings(max_examples=80, deadline=None)
@given(ROWS, ROWS, st.integers(1, 5), st.lists(st.integers(0, 14), max_size=4), st.randoms())
def test_parts_merge_into_the_whole(
    queries: np.ndarray, corpus: np.ndarray, k: int, cuts: list[int], random: Random
) -> None:
    edges = sorted({0, len(corpus), *(cut for cut in cuts if cut < len(corpus))})
    spans = list(pairwise(edges)) or [(0, 0)]
    random.shuffle(spans)
    parts = [top_k(queries, corpus[start:end], k) for start, end in spans]
    whole = top_k(queries, corpus, k)
    same(merge(parts, k, offsets=[start for start, _ in spans]), whole)
    grown = merge(parts[:1], k, offsets=[spans[0][0]])
    for part, (start, _) in zip(parts[1:], spans[1:], strict=True):
        grown = merge([grown, part], k, offsets=[0, start])
    same(grown, whole)


@settings(max_examples=40, deadline=None)
@given(ROWS, ROWS, st.integers(1, 5), st.integers(0, 14), st.integers(0, 14))
def test_tiles_of_both_sides_merge_into_both_directions(
    source: np.ndarray, target: np.ndarray, k: int, row: int, column: int
) -> None:
    row, column = min(row, len(source)), min(column, len(target))
    tiles = [
        [top_k_both(rows, columns, k) for columns in (target[:column], target[column:])]
        for rows in (source[:row], source[row:])
    ]
    forward, backward = top_k_both(source, target, k)
    parts = [merge([forward for forward, _ in line], k, offsets=[0, column]) for line in tiles]
    np.testing.assert_array_equal(np.concatenate([part.indices for part in parts]), forward.indices)
    np.testing.assert_array_equal(np.concatenate([part.scores for part in parts]), forward.scores)
    parts = [merge([tiles[0][side][1], tiles[1][side][1]], k, offsets=[0, row]) for side in (0, 1)]
    np.testing.assert_array_equal(np.concatenate([part.indices for part in parts]), backward.indices)
    np.testing.assert_array_equal(np.concatenate([part.scores for part in parts]), backward.scores)


def test_errors() -> None:
    one, two = (Neighbors(np.zeros((n, 1), dtype=np.int64), np.zeros((n, 1))) for n in (1, 2))
    with pytest.raises(UsageError, match=r"2 parts of \[1, 2\] queries with 2 offsets, and k = 1: expected"):
        merge([one, two], 1)
    with pytest.raises(UsageError, match="0 parts"):
        merge([], 1)
    with pytest.raises(UsageError, match="with 1 offsets"):
        merge([one, one], 1, offsets=[0])
    with pytest.raises(UsageError, match="and k = 0"):
        merge([one, one], 0)
