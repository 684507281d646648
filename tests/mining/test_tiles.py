"""Tiles: merged, they are the exact neighbors of the whole, however it is cut, resumed or added to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mling_embed.engines.array_store import ArrayStore
from mling_embed.mining import tiles
from mling_embed.mining.shards import Shard, ShardedVectors
from mling_embed.mining.tiles import neighbors_both_ways, neighbors_within
from mling_embed.neighbors.order import Neighbors
from mling_embed.neighbors.topk import top_k_both

INTEGERS = st.integers(-3, 3).map(float)  # exact products, and many that are equal


def sharded(vectors: np.ndarray, rows: int) -> ShardedVectors:
    found = tuple(
        Shard(vectors[start : start + rows].tobytes().hex(), start, min(start + rows, len(vectors)))
        for start in range(0, len(vectors), rows)
    )
    return ShardedVectors(found, vectors.shape[1], lambda start, stop: vectors[start:stop])


def assert_equal(found: Neighbors, expected: Neighbors) -> None:
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_array_equal(found.scores, expected.scores)


def within(vectors: np.ndarray, k: int) -> np.ndarray:
    scores = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    np.fill_diagonal(scores, -np.inf)
    return np.argsort(-scores, axis=1, kind="stable")[:, : min(k, len(vectors) - 1)]


@settings(max_examples=12)
@given(
    arrays(np.float32, st.tuples(st.integers(1, 8), st.just(2)), elements=INTEGERS),
    arrays(np.float32, st.tuples(st.integers(1, 6), st.just(2)), elements=INTEGERS),
    st.integers(1, 5),
    st.tuples(st.integers(2, 6), st.integers(2, 6), st.integers(2, 4)),
)
def test_any_cut_gives_the_neighbors_of_the_whole(
    left: np.ndarray, right: np.ndarray, k: int, cut: tuple[int, int, int]
) -> None:
    found = neighbors_both_ways(
        sharded(left, cut[0]), sharded(right, cut[1]), k, store=ArrayStore(None), block_rows=cut[2]
    )
    for ours, expected in zip(found, top_k_both(left, right, k), strict=True):
        assert_equal(ours, expected)
    own = neighbors_within(sharded(left, cut[0]), k, store=ArrayStore(None), block_rows=cut[2])
    np.testing.assert_array_equal(own.indices, within(left, k))


def rows(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, 8)).astype(np.float32)


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """List the sizes of the tiles that are computed."""
    done: list[tuple[int, int]] = []
    original = tiles._tile

    def counted(*given: object) -> object:
        done.append((len(given[1]), len(given[3])))
        return original(*given)

    monkeypatch.setattr(tiles, "_tile", counted)
    return done


def test_a_shard_more_costs_its_own_tiles(tmp_path: Path, computed: list[tuple[int, int]]) -> None:
    store, left, right = ArrayStore(tmp_path), rows(30, 0), rows(25, 1)
    neighbors_both_ways(sharded(left, 10), sharded(right[:20], 10), 3, store=store)
    assert computed == [(10, 10)] * 6
    computed.clear()
    grown = neighbors_both_ways(sharded(left, 10), sharded(right, 10), 3, store=store)
    assert computed == [(10, 5)] * 3
    for ours, expected in zip(grown, top_k_both(left, right, 3), strict=True):
        assert_equal(ours, expected)
    computed.clear()
    neighbors_both_ways(sharded(left, 10), sharded(right, 10), 3, store=store)
    assert computed == []
    neighbors_both_ways(sharded(left, 10), sharded(right, 10), 2, store=store)
    assert len(computed) == 9


def test_within_computes_each_pair_of_shards_once(tmp_path: Path, computed: list[tuple[int, int]]) -> None:
    vectors = rows(30, 2)
    neighbors_within(sharded(vectors[:20], 10), 3, store=ArrayStore(tmp_path))
    assert len(computed) == 3
    computed.clear()
    found = neighbors_within(sharded(vectors, 10), 3, store=ArrayStore(tmp_path))
    assert len(computed) == 3
    np.testing.assert_array_equal(found.indices, within(vectors, 3))


def test_a_harmed_tile_is_computed_again(tmp_path: Path, computed: list[tuple[int, int]]) -> None:
    left, right = sharded(rows(4, 0), 4), sharded(rows(5, 1), 5)
    before = neighbors_both_ways(left, right, 2, store=ArrayStore(tmp_path))
    (path,) = tmp_path.rglob("*.safetensors")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    after = neighbors_both_ways(left, right, 2, store=ArrayStore(tmp_path))
    assert len(computed) == 2
    for ours, expected in zip(after, before, strict=True):
        assert_equal(ours, expected)


@pytest.mark.parametrize(("n_left", "n_right"), [(0, 3), (3, 0), (0, 0)])
def test_empty_sides(n_left: int, n_right: int) -> None:
    forward, backward = neighbors_both_ways(
        sharded(rows(n_left, 0), 2), sharded(rows(n_right, 1), 2), 4, store=ArrayStore(None)
    )
    assert (forward.indices.shape, backward.indices.shape) == ((n_left, 0), (n_right, 0))


def test_one_row_has_no_other() -> None:
    assert neighbors_within(sharded(rows(1, 0), 2), 4, store=ArrayStore(None)).indices.shape == (1, 0)


def test_progress_ends_at_the_total() -> None:
    told: list[tuple[int, int | None]] = []
    given = sharded(rows(6, 0), 2)
    neighbors_both_ways(
        given, given, 1, store=ArrayStore(None), progress=lambda work, done, total: told.append((done, total))
    )
    assert told == [(done, 9) for done in range(10)]
