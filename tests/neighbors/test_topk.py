"""The exact top-k kernel."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mling_embed.errors import UsageError
from mling_embed.neighbors import topk
from mling_embed.neighbors.coarse import Precision
from mling_embed.neighbors.order import Neighbors
from mling_embed.neighbors.reservoirs import Scorer
from mling_embed.neighbors.scoring import inner_products
from mling_embed.neighbors.shortlist import Shortlist
from mling_embed.neighbors.topk import top_k, top_k_both
from mling_embed.neighbors.vectors import Vectors, unit_rows

# Small integers have exact inner products, and many that are equal.
INTEGERS = st.integers(-3, 3).map(float)


def rng_rows(n: int, dim: int, seed: int) -> np.ndarray:
    return unit_rows(np.random.default_rng(seed).standard_normal((n, dim)))


def reference(queries: np.ndarray, corpus: np.ndarray, k: int) -> np.ndarray:
    return np.argsort(-(queries.astype(np.float64) @ corpus.astype(np.float64).T), axis=1, kind="stable")[:, :k]


def test_by_hand() -> None:
    corpus = np.array([[1.0, 0], [0, 1], [3, 4], [-1, 0]])
    found = top_k(np.array([[1.0, 0], [0, 2]]), corpus, 2)
    assert found.indices.tolist() == [[2, 0], [2, 1]]
    assert found.scores.tolist() == [[3, 1], [8, 2]]


@pytest.mark.parametrize("k", [1, 3, 10])
def test_parity_with_faiss(k: int) -> None:
    queries, corpus = rng_rows(300, 32, 0), rng_rows(700, 32, 1)
    index = faiss.IndexFlatIP(32)
    index.add(corpus)
    scores, indices = index.search(queries, k)
    found = top_k(queries, corpus, k, query_block=64, corpus_block=100)
    np.testing.assert_array_equal(found.indices, indices)
    np.testing.assert_allclose(found.scores, scores, atol=1e-6)


@settings(max_examples=40)
@given(
    arrays(np.float32, st.tuples(st.integers(1, 9), st.just(2)), elements=INTEGERS),
    arrays(np.float32, st.tuples(st.integers(1, 12), st.just(2)), elements=INTEGERS),
    st.integers(1, 5),
    st.integers(1, 5),
    st.integers(1, 5),
)
def test_blocks_and_ties(left: np.ndarray, right: np.ndarray, k: int, rows: int, columns: int) -> None:
    forward, backward = top_k_both(left, right, k, source_block=rows, target_block=columns)
    np.testing.assert_array_equal(forward.indices, reference(left, right, k))
    np.testing.assert_array_equal(backward.indices, reference(right, left, k))
    one_way = top_k(left, right, k, query_block=rows, corpus_block=columns)
    np.testing.assert_array_equal(one_way.indices, forward.indices)
    np.testing.assert_array_equal(one_way.scores, forward.scores)


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("spread", [2, 40, 4000])
def test_ties_among_many(k: int, spread: int) -> None:
    rng = np.random.default_rng(spread)
    queries = rng.integers(-spread, spread + 1, (50, 3)).astype(np.float32)
    corpus = rng.integers(-spread, spread + 1, (901, 3)).astype(np.float32)
    forward, backward = top_k_both(queries, corpus, k)
    np.testing.assert_array_equal(forward.indices, reference(queries, corpus, k))
    np.testing.assert_array_equal(backward.indices, reference(corpus, queries, k))
    np.testing.assert_array_equal(top_k(corpus, queries, k).indices, backward.indices)
    np.testing.assert_array_equal(
        forward.scores,
        np.take_along_axis(queries.astype(np.float64) @ corpus.astype(np.float64).T, forward.indices, axis=1),
    )


@given(st.permutations(range(20)))
@settings(max_examples=20)
def test_the_order_of_the_corpus_does_not_matter(order: list[int]) -> None:
    queries, corpus = rng_rows(5, 8, 2), rng_rows(20, 8, 3)
    plain, shuffled = top_k(queries, corpus, 4), top_k(queries, corpus[order], 4)
    np.testing.assert_array_equal(np.asarray(order)[shuffled.indices], plain.indices)


def test_k_is_clamped_and_sides_may_be_empty() -> None:
    forward, backward = top_k_both(np.ones((3, 2)), np.ones((2, 2)), 4)
    assert forward.indices.tolist() == [[0, 1]] * 3
    assert backward.indices.tolist() == [[0, 1, 2]] * 2
    assert top_k(np.ones((3, 2)), np.empty((0, 2)), 4).indices.shape == (3, 0)
    assert top_k(np.empty((0, 2)), np.ones((3, 2)), 4).indices.shape == (0, 3)


def test_negative_scores_and_read_only_input() -> None:
    corpus = -np.eye(3, dtype=np.float32)
    corpus.flags.writeable = False
    assert top_k(np.eye(3, dtype=np.float32)[:1], corpus, 3).indices.tolist() == [[1, 2, 0]]


def test_half_precision_is_compared_in_full() -> None:
    rows = rng_rows(50, 16, 4).astype(np.float16)
    found = top_k(rows, rows, 1)
    assert found.scores.dtype == np.float64
    np.testing.assert_array_equal(found.indices[:, 0], np.arange(50))


def same(found: Neighbors, expected: Neighbors) -> None:
    """Compare to the last bit."""
    assert found.indices.tobytes() == expected.indices.tobytes()
    assert found.scores.tobytes() == expected.scores.tobytes()


@pytest.fixture(params=["reservoirs", "shortlists"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Search with the shortlists of the processor, and with those of an accelerator, which run anywhere."""
    if request.param == "shortlists":

        def shortlist(radius: torch.Tensor, k: int, scorer: Scorer, *, dtype: torch.dtype) -> Shortlist:
            return Shortlist(torch.from_numpy(radius), k, scorer)

        monkeypatch.setattr(topk, "Reservoirs", shortlist)
    return str(request.param)


def hostile_rows(n: int, dim: int, seed: int) -> np.ndarray:
    """Draw rows with copies, near copies that only float64 tells apart, zeros, and norms of all sizes."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, dim)).astype(np.float32)
    rows[: n // 4] = rows[0]
    near = rows[n // 4 : n // 2]
    near[:] = rows[1]
    near[np.arange(len(near)), rng.integers(0, dim, len(near))] *= np.float32(1 + 2**-22)
    rows[n // 2 : n // 2 + n // 16] = 0
    rows[n - n // 8 :] *= rng.uniform(0.01, 100, (n // 8, 1)).astype(np.float32)
    order = rng.permutation(n)
    return np.ascontiguousarray(rows[order])


def brute(queries: np.ndarray, corpus: np.ndarray, k: int) -> Neighbors:
    """Score every pair exactly and sort all of them."""
    one, other = (each.ravel() for each in np.indices((len(queries), len(corpus))))
    scores = inner_products(*Vectors.both(queries, corpus), one, other).reshape(len(queries), len(corpus))
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return Neighbors(order, np.take_along_axis(scores, order, axis=1))


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("precision", list(Precision))
@pytest.mark.parametrize("k", [1, 4, 16, 100])
def test_hostile_rows_in_every_format(precision: Precision, k: int) -> None:
    source, target = hostile_rows(320, 24, 1), hostile_rows(640, 24, 2)
    source[:40] = target[:40]
    options = {"source_block": 100, "target_block": 300}
    forward, backward = top_k_both(source, target, k, precision=precision, **options)
    same(forward, brute(source, target, k))
    same(backward, brute(target, source, k))
    same(top_k(source, target, k, precision=precision), forward)


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("k", [4, 16])
def test_copies_of_one_row_come_by_their_indices(k: int) -> None:
    # More ties than any reservoir holds, in tiles that break at odd places.
    target = np.repeat(rng_rows(2, 8, 5), 700, axis=0)
    forward, backward = top_k_both(rng_rows(3, 8, 6), target, k, source_block=2, target_block=333)
    for row in forward.indices.tolist():
        assert row == list(range(row[0], row[0] + k))
        assert row[0] in (0, 700)
    assert len(np.unique(backward.indices, axis=0)) == 2


def test_threads_and_tiles_change_no_bit() -> None:
    source, target = hostile_rows(160, 40, 3), hostile_rows(320, 40, 4)
    threads = torch.get_num_threads()
    found = []
    try:
        for number, blocks in [(1, (None, None)), (2, (None, None)), (3, (64, 128)), (1, (160, 3)), (2, (7, 321))]:
            torch.set_num_threads(number)
            found.append(top_k_both(source, target, 4, source_block=blocks[0], target_block=blocks[1]))
    finally:
        torch.set_num_threads(threads)
    for forward, backward in found[1:]:
        same(forward, found[0][0])
        same(backward, found[0][1])


def test_half_the_order_is_below_what_fp32_can_tell() -> None:
    # Rows that differ in the last bit of one number: an fp32 product puts many of them at the same score.
    rng = np.random.default_rng(0)
    corpus = np.repeat(rng_rows(1, 64, 0), 64, axis=0)
    corpus[np.arange(64), np.arange(64)] = np.nextafter(corpus[np.arange(64), np.arange(64)], np.float32(9))
    corpus = corpus[rng.permutation(64)]
    query = rng_rows(1, 64, 1)
    gains = query[0, np.argmax(corpus != np.median(corpus, axis=0), axis=1)].astype(np.float64)
    steps = np.max(np.abs(corpus - np.median(corpus, axis=0)), axis=1).astype(np.float64)
    expected = np.argsort(-(gains * steps), kind="stable")
    assert len(np.unique(query @ corpus.T)) < 60
    assert top_k(query, corpus, 64).indices[0].tolist() == expected.tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_memory_maps(tmp_path: Path, dtype: type) -> None:
    rows = rng_rows(400, 16, 7).astype(dtype)
    np.save(tmp_path / "rows.npy", rows)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    forward, backward = top_k_both(mapped, mapped[::-1], 3, source_block=37, target_block=64)
    expected = top_k_both(rows.astype(np.float32), rows[::-1].astype(np.float32), 3)
    same(forward, expected[0])
    same(backward, expected[1])


@pytest.mark.parametrize("scale", [1e-25, 1e18])
def test_norms_at_the_ends_of_fp32(scale: float) -> None:
    rows = (rng_rows(60, 8, 8) * scale).astype(np.float32)
    same(top_k(rows, rows, 5), brute(rows, rows, 5))


def test_zero_vectors_tie_with_each_other() -> None:
    forward, backward = top_k_both(np.zeros((2, 4)), np.concatenate([np.zeros((3, 4)), -np.ones((1, 4))]), 3)
    assert forward.indices.tolist() == [[0, 1, 2]] * 2
    assert backward.indices.tolist() == [[0, 1]] * 4
    assert (forward.scores == 0).all()


def test_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, int, int | None]] = []
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    top_k(np.ones((5, 2)), np.ones((3, 2)), 1, query_block=2, progress=lambda *step: seen.append(step))
    assert seen == [("comparing", 2, 5), ("comparing", 4, 5), ("comparing", 5, 5)]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("precision", list(Precision))
def test_an_accelerator_gives_the_same_bits(precision: Precision) -> None:
    source, target = hostile_rows(800, 48, 9), hostile_rows(1500, 48, 10)
    options = {"source_block": 300, "target_block": 500}
    forward, backward = top_k_both(source, target, 4, device="cuda", precision=precision, **options)
    same(forward, top_k(source, target, 4))
    same(backward, top_k(target, source, 4))


@pytest.mark.usefixtures("unchecked_shapes")
def test_errors() -> None:
    with pytest.raises(UsageError, match=r"shapes \(2, 3\) and \(2, 4\) cannot be compared"):
        top_k(np.ones((2, 3)), np.ones((2, 4)), 1)
    with pytest.raises(UsageError, match="k is 0, expected at least 1"):
        top_k(np.ones((2, 3)), np.ones((2, 3)), 0)
    broken = np.ones((3, 2))
    broken[1, 1] = np.nan
    with pytest.raises(UsageError, match="row 1 of the right side is not finite"):
        top_k(np.ones((2, 2)), broken, 1)
    with pytest.raises(UsageError, match="not compared on 'meta': expected cpu or cuda"):
        top_k(np.ones((2, 2)), np.ones((2, 2)), 1, device="meta")


def test_unit_rows() -> None:
    np.testing.assert_allclose(unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]])), [[0.6, 0.8], [0, 0]], atol=1e-7)
