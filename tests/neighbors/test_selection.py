"""Selection of pairs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mling_embed.neighbors.margins import Margin
from mling_embed.neighbors.order import Neighbors
from mling_embed.neighbors.selection import ScoredPairs, Selection, select
from mling_embed.neighbors.topk import top_k_both
from mling_embed.neighbors.vectors import unit_rows


def written(pairs: ScoredPairs) -> list[tuple[int, int, float]]:
    return [
        (source, target, round(margin, 6))
        for source, target, margin in zip(
            pairs.source.tolist(), pairs.target.tolist(), pairs.margins.tolist(), strict=True
        )
    ]


def listed(similarity: np.ndarray, k: int) -> tuple[Neighbors, Neighbors]:
    """Return the neighbors of both directions of a matrix of cosines."""
    order, reverse = np.argsort(-similarity, axis=1)[:, :k], np.argsort(-similarity.T, axis=1)[:, :k]
    return (
        Neighbors(order, np.take_along_axis(similarity, order, axis=1)),
        Neighbors(reverse, np.take_along_axis(similarity.T, reverse, axis=1)),
    )


# With k = 2, a = .85, .6, .5 and b = .8, .65, .55.
SIMILARITY = np.array([[0.9, 0.8, 0.1], [0.7, 0.5, 0.4], [0.2, 0.3, 0.7]])
SIMILARITY.flags.writeable = False


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        # Source 1 is nearest to target 0 (.7) and its margin is .7 - .7 = 0; to target 1, .5 - .625.
        (Selection.FORWARD, [(2, 2, 0.175), (0, 0, 0.075), (1, 0, 0.0)]),
        (Selection.BACKWARD, [(2, 2, 0.175), (0, 0, 0.075), (0, 1, 0.05)]),
        (Selection.INTERSECTION, [(2, 2, 0.175), (0, 0, 0.075)]),
        # (0, 1) and (1, 0) repeat a sentence.
        (Selection.MAX, [(2, 2, 0.175), (0, 0, 0.075)]),
    ],
)
def test_by_hand(selection: Selection, expected: list[tuple[int, int, float]]) -> None:
    forward, backward = listed(SIMILARITY, 2)
    assert written(select(forward, backward, margin=Margin.DISTANCE, selection=selection)) == expected


def test_ratio_and_absolute_by_hand() -> None:
    forward, backward = listed(SIMILARITY, 2)
    ratio = select(forward, backward, selection=Selection.FORWARD)
    assert written(ratio) == [(2, 2, round(0.7 / 0.525, 6)), (0, 0, round(0.9 / 0.825, 6)), (1, 0, 1.0)]
    absolute = select(forward, backward, margin=Margin.ABSOLUTE, selection=Selection.BACKWARD)
    assert written(absolute) == [(0, 0, 0.9), (0, 1, 0.8), (2, 2, 0.7)]
    assert absolute.cosines.tolist() == [0.9, 0.8, 0.7]


def test_the_best_is_that_of_the_margin_not_of_the_cosine() -> None:
    # Target 0 is near to every source; target 1 is source 0's own.
    similarity = np.array([[0.8, 0.78], [0.8, 0.1], [0.8, 0.1]])
    forward, backward = listed(similarity, 2)
    assert written(select(forward, backward, selection=Selection.FORWARD, margin=Margin.ABSOLUTE))[0][:2] == (0, 0)
    chosen = {pair[:2] for pair in written(select(forward, backward, selection=Selection.FORWARD))}
    assert chosen == {(0, 1), (1, 0), (2, 0)}


def test_max_goes_on_to_the_next_free_pair() -> None:
    # (0, 0) takes source 0, so that target 1, whose best is source 0, remains without a pair; 1 goes with 2.
    similarity = np.array([[0.9, 0.8, 0.2], [0.3, 0.2, 0.5]])
    forward, backward = listed(similarity, 1)
    pairs = select(forward, backward, margin=Margin.ABSOLUTE)
    assert written(pairs) == [(0, 0, 0.9), (1, 2, 0.5)]


@pytest.mark.parametrize("selection", list(Selection))
def test_the_threshold_holds_in_every_selection(selection: Selection) -> None:
    forward, backward = listed(SIMILARITY, 2)
    everything = select(forward, backward, selection=selection)
    limit = float(everything.margins[1])
    assert written(select(forward, backward, selection=selection, threshold=limit)) == written(everything)[:1]


@pytest.mark.parametrize("selection", list(Selection))
def test_empty_sides(selection: Selection) -> None:
    for n_source, n_target in [(0, 3), (3, 0), (0, 0)]:
        forward, backward = top_k_both(np.ones((n_source, 2)), np.ones((n_target, 2)), 4)
        assert len(select(forward, backward, selection=selection)) == 0


def test_ties_go_to_the_lower_rows() -> None:
    same = np.ones((3, 2), dtype=np.float32)
    forward, backward = top_k_both(same, same, 3)
    assert written(select(forward, backward)) == [(0, 0, 1.0)]
    assert [pair[:2] for pair in written(select(forward, backward, selection=Selection.FORWARD))] == [
        (0, 0),
        (1, 0),
        (2, 0),
    ]


sides = st.builds(
    lambda seed, n_source, n_target: tuple(
        unit_rows(np.random.default_rng([seed, n]).standard_normal((n, 5))) for n in (n_source, n_target)
    ),
    st.integers(0, 10_000),
    st.integers(1, 25),
    st.integers(1, 25),
)


@settings(max_examples=40, deadline=None)
@given(sides, st.integers(1, 6), st.sampled_from(list(Margin)))
def test_selections_contain_each_other(sides: tuple[np.ndarray, np.ndarray], k: int, margin: Margin) -> None:
    forward, backward = top_k_both(*sides, k)
    pairs = {each: set(written(select(forward, backward, margin=margin, selection=each))) for each in Selection}
    assert pairs[Selection.INTERSECTION] == pairs[Selection.FORWARD] & pairs[Selection.BACKWARD]
    assert pairs[Selection.MAX] <= pairs[Selection.FORWARD] | pairs[Selection.BACKWARD]
    assert len({pair[0] for pair in pairs[Selection.MAX]}) == len(pairs[Selection.MAX])
    assert len({pair[1] for pair in pairs[Selection.MAX]}) == len(pairs[Selection.MAX])


@settings(max_examples=40, deadline=None)
@given(sides, st.integers(1, 6), st.sampled_from([Selection.INTERSECTION, Selection.MAX]))
def test_swapping_the_sides_swaps_the_pairs(sides: tuple[np.ndarray, np.ndarray], k: int, selection: Selection) -> None:
    forward, backward = top_k_both(*sides, k)
    pairs = select(forward, backward, selection=selection)
    swapped = select(backward, forward, selection=selection)
    np.testing.assert_array_equal(np.sort(pairs.margins), np.sort(swapped.margins))
    assert set(zip(pairs.source.tolist(), pairs.target.tolist(), strict=True)) == set(
        zip(swapped.target.tolist(), swapped.source.tolist(), strict=True)
    )


@settings(max_examples=30, deadline=None)
@given(sides, st.integers(1, 6), st.sampled_from(list(Margin)))
def test_parity_with_the_definition(sides: tuple[np.ndarray, np.ndarray], k: int, margin: Margin) -> None:
    """`max` written out on lists, as REFERENCE's section 2 words it."""
    forward, backward = top_k_both(*sides, k)
    a = forward.scores.mean(axis=1)
    b = backward.scores.mean(axis=1)

    def score(cosine: float, i: int, j: int) -> float:
        middle = (a[i] + b[j]) / 2
        return {Margin.ABSOLUTE: cosine, Margin.DISTANCE: cosine - middle, Margin.RATIO: cosine / middle}[margin]

    best = []
    for i, (row, cosines) in enumerate(zip(forward.indices, forward.scores, strict=True)):
        best.append(max((score(c, i, j), -i, -j) for j, c in zip(row.tolist(), cosines.tolist(), strict=True)))
    for j, (row, cosines) in enumerate(zip(backward.indices, backward.scores, strict=True)):
        best.append(max((score(c, i, j), -i, -j) for i, c in zip(row.tolist(), cosines.tolist(), strict=True)))
    taken: list[tuple[int, int, float]] = []
    for value, i, j in sorted(set(best), reverse=True):
        if all(-i != pair[0] and -j != pair[1] for pair in taken):
            taken.append((-i, -j, round(value, 6)))
    assert written(select(forward, backward, margin=margin)) == taken
