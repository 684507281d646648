"""Kinds of FAISS index: choice, building, recall, reading back."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mling_embed.errors import DamagedFileError
from mling_embed.indexing.published.exact import rank_exactly
from mling_embed.indexing.published.faiss_kinds import (
    Kind,
    asking,
    build,
    candidates,
    flat_of,
    plan,
    read_index,
    recall_queries,
    vectors_of,
    write_index,
)


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    drawn = np.random.default_rng(0)
    centers = drawn.standard_normal((40, 32), dtype=np.float32)
    found = centers[drawn.integers(0, 40, 6000)] + drawn.standard_normal((6000, 32), dtype=np.float32) / 2
    return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("rows", "free", "kind", "reason"),
    [
        (1000, 1 << 30, Kind.FLAT, "searched exactly"),
        (300_000, 1 << 20, Kind.FLAT, "searched exactly"),
        (1_000_000, 8 << 30, Kind.HNSW, "fit into"),
        (1_000_000, 3_200_000_000, Kind.IVF_FLAT, "fit into"),
        (1_000_000, 1 << 30, Kind.IVF_PQ, "do not fit"),
    ],
)
def test_the_kind_follows_size_and_memory(rows: int, free: int, kind: Kind, reason: str) -> None:
    chosen = plan(None, rows, 384, free_bytes=free)
    assert chosen.kind is kind
    assert reason in chosen.reason


def test_a_kind_that_needs_training_is_not_built_of_few_rows() -> None:
    assert plan(Kind.IVF_PQ, 20, 32).kind is Kind.FLAT
    assert plan(Kind.HNSW, 6000, 32) == plan(Kind.HNSW, 6000, 32)
    assert plan(Kind.HNSW, 6000, 32).kind is Kind.HNSW


@pytest.mark.parametrize("kind", [Kind.HNSW, Kind.IVF_FLAT, Kind.IVF_PQ])
def test_recall_is_measured_and_reached(kind: Kind, vectors: np.ndarray) -> None:
    built = build(kind, vectors, recall_target=0.9)
    assert built.recall >= 0.9
    assert built.n_queries == 200


@pytest.mark.parametrize("kind", [Kind.HNSW, Kind.IVF_FLAT, Kind.IVF_PQ])
def test_recall_that_was_reached_holds_for_other_queries(kind: Kind, vectors: np.ndarray) -> None:
    built = build(kind, vectors, recall_target=0.9)
    for seed in range(1, 6):
        queries = recall_queries(vectors, seed=seed)
        _, right = faiss.knn(queries, vectors, 10, metric=faiss.METRIC_INNER_PRODUCT)
        nearest = asking(kind, built.index, built.parameters)
        found = rank_exactly(queries, vectors, nearest, 10, n_candidates=candidates(kind, 10), longest=None)
        shared = [len(set(row) & set(best)) for row, best in zip(found.positions.tolist(), right.tolist(), strict=True)]
        assert sum(shared) / right.size >= 0.9


@pytest.mark.parametrize("kind", list(Kind))
def test_an_index_is_read_back_as_it_was(kind: Kind, vectors: np.ndarray, tmp_path: Path) -> None:
    built = build(kind, vectors)
    index = flat_of(vectors) if built.index is None else built.index
    path = tmp_path / "index.faiss"
    with path.open("wb") as file:
        write_index(index, file, lambda data: None, graph_only=kind is Kind.HNSW)
    again = read_index(path)
    flat = flat_of(vectors)
    if kind is Kind.HNSW:
        again.storage, again.own_fields = flat, False
    before, after = (asking(kind, each, built.parameters)(vectors[:50], 10) for each in (index, again))
    np.testing.assert_array_equal(before[1], after[1])
    np.testing.assert_array_equal(before[0], after[0])
    if kind is Kind.FLAT:
        np.testing.assert_array_equal(vectors_of(again), vectors)


def test_an_error_while_writing_is_not_swallowed(vectors: np.ndarray, tmp_path: Path) -> None:
    with (tmp_path / "index").open("rb" if (tmp_path / "index").exists() else "xb") as file:
        file.close()
        with pytest.raises(ValueError, match="closed file"):
            write_index(flat_of(vectors), file, lambda data: None)


@given(content=st.binary(max_size=200))
def test_what_is_no_index_is_refused(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("faiss") / "bad.faiss"
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match="FAISS cannot read it"):
        read_index(path)


def test_flat_search_is_faiss_own(vectors: np.ndarray) -> None:
    scores, positions = asking(Kind.FLAT, flat_of(vectors), {})(vectors[:5], 3)
    known, there = faiss.knn(vectors[:5], vectors, 3, metric=faiss.METRIC_INNER_PRODUCT)
    np.testing.assert_array_equal(positions, there)
    np.testing.assert_allclose(scores, known, atol=1e-6)
