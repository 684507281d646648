"""The dynamic programming against a plain one, and the band against the whole table."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mling_embed.mining.alignment.bands import band_around, finer_path, whole_band
from mling_embed.mining.alignment.coarse_to_fine import align_spans, span_sides
from mling_embed.mining.alignment.dynamic_programming import SpanSide, best_steps, link_shapes
from mling_embed.mining.alignment.spans import average_spans

DIM = 32


def unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


Lengths = tuple[np.ndarray, np.ndarray]


def translated(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, list[tuple[int, int]], Lengths]:
    """Return sentence vectors of two documents, the shapes of the links that made them, and the sentences' lengths."""
    drawn = np.random.default_rng(seed)
    source, target, shapes = [], [], []
    lengths: tuple[list[float], list[float]] = ([], [])
    while len(source) < n:
        shape = ((1, 1), (1, 1), (1, 1), (1, 1), (1, 2), (2, 1), (1, 0), (0, 1))[drawn.integers(8)]
        meanings = drawn.standard_normal((max(shape), DIM))
        for side, counted, count in ((source, lengths[0], shape[0]), (target, lengths[1], shape[1])):
            if count:
                parts = np.array_split(meanings, count)
                counted += [20.0 * len(part) for part in parts]
                side += [part.sum(axis=0) + 0.2 * drawn.standard_normal(DIM) for part in parts]
        shapes.append(shape)
    return unit(np.array(source)), unit(np.array(target)), shapes, (np.array(lengths[0]), np.array(lengths[1]))


def spans_of(vectors: np.ndarray, most: int) -> np.ndarray:
    return average_spans(vectors, ["x"] * len(vectors), most)


def aligned(
    source: np.ndarray, target: np.ndarray, most_span: int, lengths: Lengths | None = None, **options: int
) -> list[tuple[int, int, float]]:
    """Align by averaged spans, of sentences that are all as long by default."""
    lengths = lengths or (np.full(len(source), 20.0), np.full(len(target), 20.0))
    return align_spans(spans_of(source, most_span), spans_of(target, most_span), lengths, **options)


def best_total(source: SpanSide, target: SpanSide, shapes: list[tuple[int, int]], skip: float) -> float:
    """Return the largest gain by plain recursion over every way."""

    @cache
    def most(row: int, column: int) -> float:
        if row == column == 0:
            return 0.0
        ways = []
        for ours, theirs in shapes:
            if ours <= row and theirs <= column:
                ways.append(most(row - ours, column - theirs) + gain(source, target, row, column, ours, theirs))
        ways += [most(row - 1, column) - skip] if row else []
        ways += [most(row, column - 1) - skip] if column else []
        return max(ways)

    return most(len(source), len(target))


def gain(source: SpanSide, target: SpanSide, row: int, column: int, ours: int, theirs: int) -> float:
    def score(row: int, column: int, ours: int, theirs: int) -> float:
        cosine = float(source.vectors[ours - 1, row] @ target.vectors[theirs - 1, column])
        usual = (source.usual[ours - 1, row] + target.usual[theirs - 1, column]) / 2
        return (cosine - usual) / (1 - usual)

    beside = [[score(at, column, 1, theirs) for at in (row + 1, row - ours) if 0 < at <= len(source)]]
    beside += [[score(row, at, ours, 1) for at in (column + 1, column - theirs) if 0 < at <= len(target)]]
    margin = score(row, column, ours, theirs) - sum(sum(each) / len(each) for each in beside if each) / 2
    lengths = float(source.lengths[ours - 1, row]), float(target.lengths[theirs - 1, column])
    return margin * float(np.log2(1 + min(lengths) / max(lengths)))


@settings(max_examples=25)
@given(n=st.integers(1, 7), m=st.integers(1, 7), seed=st.integers(0, 1000), skip=st.floats(-0.1, 0.5))
def test_the_way_is_the_best_of_all(n: int, m: int, seed: int, skip: float) -> None:
    drawn = np.random.default_rng(seed)
    spans = [spans_of(unit(drawn.standard_normal((size, 8))), 2) for size in (n, m)]
    lengths = drawn.uniform(5, 50, n), drawn.uniform(5, 50, m)
    sides = span_sides(spans[0], spans[1], lengths)
    shapes = [*link_shapes(4)[:3], (2, 2)]
    steps = best_steps(*sides, whole_band(n, m), shapes, skip)
    total, row, column = 0.0, 0, 0
    for ours, theirs, _ in steps:
        row, column = row + ours, column + theirs
        total += gain(*sides, row, column, ours, theirs) if ours and theirs else -skip
    assert (row, column) == (n, m)
    assert total == pytest.approx(best_total(*sides, shapes, skip), abs=1e-3)


def test_links_are_found() -> None:
    source, target, shapes, lengths = translated(120, seed=0)
    steps = aligned(source, target, 2, lengths, most=3)
    expected, found = ends(shapes), ends([(ours, theirs) for ours, theirs, _ in steps])
    assert len(expected & found) / len(expected) > 0.97


def ends(shapes: list[tuple[int, int]]) -> set[tuple[int, int, int, int]]:
    """Return the links of shapes in a row, by their beginnings and lengths; skips left out."""
    found, row, column = set(), 0, 0
    for ours, theirs in shapes:
        if ours and theirs:
            found.add((row, column, ours, theirs))
        row, column = row + ours, column + theirs
    return found


def test_coarse_to_fine_finds_what_the_whole_table_has() -> None:
    source, target, _, lengths = translated(700, seed=1)
    coarse = aligned(source, target, 2, lengths, most=3, whole=50)
    assert coarse == aligned(source, target, 2, lengths, most=3, whole=10**6)


def test_a_long_insertion_is_stepped_over() -> None:
    source, target, _, lengths = translated(300, seed=2)
    inserted = unit(np.random.default_rng(3).standard_normal((150, DIM)))
    longer = np.concatenate([target[:120], inserted, target[120:]])
    plain = aligned(source, target, 2, lengths, most=3, whole=60)
    inserted_lengths = np.concatenate([lengths[1][:120], np.full(150, 20.0), lengths[1][120:]])
    found = aligned(source, longer, 2, (lengths[0], inserted_lengths), most=3, whole=60)
    here = {(r, c, a, b) for r, c, a, b in ends([s[:2] for s in plain]) if c + b < 118 or c > 122}
    moved = {(r, c if c < 120 else c - 150, a, b) for r, c, a, b in ends([s[:2] for s in found])}
    assert len(here & moved) / len(here) > 0.97


def test_one_sentence_and_equal_documents() -> None:
    alone = unit(np.ones((1, DIM)))
    assert [step[:2] for step in aligned(alone, alone, 2, most=3)] == [(1, 1)]
    same = unit(np.random.default_rng(0).standard_normal((40, DIM)))
    steps = aligned(same, same, 5, most=6)
    assert [step[:2] for step in steps] == [(1, 1)] * 40
    assert all(score == pytest.approx(1, abs=1e-5) for _, _, score in steps)


def test_both_directions_are_mirror_images() -> None:
    source, target, _, lengths = translated(80, seed=4)
    there = aligned(source, target, 2, lengths, most=3)
    back = aligned(target, source, 2, lengths[::-1], most=3)
    assert ends([(b, a) for a, b, _ in back]) == ends([(a, b) for a, b, _ in there])


def test_bands() -> None:
    band = band_around([(0, 0), (1, 0), (2, 0), (2, 6), (3, 7)], 3, 7, 1)
    assert band.low.tolist() == [0, 0, 0, 0]
    assert band.high.tolist() == [1, 7, 7, 7]
    assert band.starts.tolist() == [0, 2, 10, 18, 26]
    assert finer_path([(0, 0), (1, 1), (2, 2)], 3, 5) == [(0, 0), (2, 2), (3, 4), (3, 5)]


def test_averages_are_weighted_by_length_and_end_where_they_should() -> None:
    vectors = np.eye(3, dtype=np.float32)
    spans = average_spans(vectors, ["aa", "", "aaaaa"], 3)
    assert spans.shape == (3, 4, 3)
    assert spans[0, 1:].tolist() == vectors.tolist()
    assert not spans[0, 0].any()
    assert not spans[1, :2].any()
    assert spans[1, 2] == pytest.approx(np.array([3, 1, 0]) / np.sqrt(10))
    assert spans[2, 3] == pytest.approx(np.array([3, 1, 6]) / np.sqrt(46))
