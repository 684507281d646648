"""Mining, the whole way: every margin and selection, filters, thresholds, calibration, and the faults of peers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mling_embed.errors import DataError, MlingEmbedError, UsageError
from mling_embed.mining.calibration import ByGold, ByPrecision
from mling_embed.mining.mine import mine_bitext, mine_paraphrases
from mling_embed.mining.mined_pair import Direction
from mling_embed.mining.pair_filters import PairFilter, PairReason
from mling_embed.mining.pairs import MinedPairs
from mling_embed.mining.sides import MiningOptions
from mling_embed.neighbors.margins import Margin
from mling_embed.neighbors.selection import Selection, select
from mling_embed.neighbors.topk import top_k_both
from mling_embed.neighbors.vectors import unit_rows

N_PAIRS, N_ALONE = 60, 140
SOURCES = [f"Satz Nummer {number}" for number in range(N_PAIRS + N_ALONE)]
TARGETS = [f"Sentence number {number + 1000}" for number in range(N_PAIRS + N_ALONE)]


def vectors() -> tuple[np.ndarray, np.ndarray]:
    """Return vectors of sides of which the first rows are translations."""
    drawn = np.random.default_rng(0)
    source, target = (drawn.standard_normal((N_PAIRS + N_ALONE, 16)).astype(np.float32) for _ in range(2))
    target[:N_PAIRS] = source[:N_PAIRS] + 0.35 * target[:N_PAIRS]
    return source, target


VECTORS = vectors()


def ids(mined: MinedPairs) -> list[tuple[str, str]]:
    return [(pair.source_ids[0], pair.target_ids[0]) for pair in mined]


def right_share(mined: MinedPairs) -> float:
    return float(np.mean([ours == theirs and int(ours) < N_PAIRS for ours, theirs in ids(mined)]))


@pytest.mark.parametrize("margin", list(Margin))
@pytest.mark.parametrize("selection", list(Selection))
@pytest.mark.parametrize("shard_rows", [33, 1000])
def test_it_is_what_the_whole_gives(margin: Margin, selection: Selection, shard_rows: int) -> None:
    options = MiningOptions(shard_rows=shard_rows)
    mined = mine_bitext(SOURCES, TARGETS, vectors=VECTORS, margin=margin, selection=selection, options=options)
    expected = select(*top_k_both(unit_rows(VECTORS[0]), unit_rows(VECTORS[1]), 4), margin=margin, selection=selection)
    assert [(int(ours), int(theirs)) for ours, theirs in ids(mined)] == list(
        zip(expected.source.tolist(), expected.target.tolist(), strict=True)
    )
    assert [pair.score for pair in mined] == expected.margins.tolist()
    assert [pair.cosine for pair in mined] == expected.cosines.tolist()
    assert [pair.rank for pair in mined] == list(range(1, len(mined) + 1))


def test_a_pair_by_hand() -> None:
    source, target = np.eye(3, dtype=np.float32), np.array([[0, 3, 0], [0.6, 0.8, 0]], dtype=np.float32)
    mined = mine_bitext(["eins", "zwei", "drei"], ["two", "one"], vectors=(source, target), k=2)
    # c(zwei, two) = 1, a = (1 + .8) / 2, b = (1 + 0) / 2; c(eins, one) = .6, a = .3, b = (.8 + .6) / 2.
    best, second = mined
    assert (best.source, best.target, best.direction) == ("zwei", "two", Direction.BOTH)
    assert (best.score, best.cosine) == (pytest.approx(1 / 0.7), 1)
    assert (second.source, second.target) == ("eins", "one")
    assert (second.score, second.forward_rank, second.backward_rank) == (pytest.approx(0.6 / 0.5), 1, 2)
    assert mined[-1] == second
    assert mined[:1] == [best]
    with pytest.raises(IndexError, match="pair 2 of 2"):
        _ = mined[2]


def test_csls_ranks_as_the_distance() -> None:
    distance = mine_bitext(SOURCES, TARGETS, vectors=VECTORS, margin="distance", selection=None)
    source, target = (unit_rows(side) for side in VECTORS)
    forward, backward = top_k_both(source, target, 4)
    a, b = forward.scores.mean(axis=1), backward.scores.mean(axis=1)
    csls = [2 * pair.cosine - a[int(pair.source_ids[0])] - b[int(pair.target_ids[0])] for pair in distance]
    np.testing.assert_allclose(csls, [2 * pair.score for pair in distance], atol=1e-12)


def test_every_candidate_comes_once_with_its_ranks() -> None:
    mined = mine_bitext(SOURCES, TARGETS, vectors=VECTORS, selection=None, k=3)
    assert len(set(ids(mined))) == len(mined) > 3 * len(SOURCES)
    assert mined.calibration is None
    forward = [pair for pair in mined if pair.forward_rank is not None]
    assert len(forward) == 3 * len(SOURCES)
    assert {pair.direction for pair in mined} == set(Direction)
    assert sorted(mined, key=lambda pair: -pair.score) == list(mined)


def test_calibration_knows_how_many_are_right() -> None:
    mined = mine_bitext(SOURCES, TARGETS, vectors=VECTORS)
    assert mined.calibration is not None
    assert right_share(mined) == pytest.approx(1 - mined.calibration.wrong_share, abs=0.1)
    cut = mine_bitext(SOURCES, TARGETS, vectors=VECTORS, threshold=ByPrecision(0.95))
    assert right_share(cut) >= 0.93
    assert 50 <= len(cut) <= 66
    assert cut.threshold == cut[-1].score
    assert cut.summary()["expected_precision"] >= 0.95


def test_few_pairs_say_nothing_of_how_many_are_right() -> None:
    few = slice(0, 45)
    mined = mine_bitext(SOURCES[few], TARGETS[few], vectors=(VECTORS[0][few], VECTORS[1][few]))
    assert right_share(mined) == 1
    assert mined.calibration is None
    assert mined.summary()["expected_precision"] is None


def test_a_threshold_by_gold() -> None:
    gold = ByGold(frozenset((str(row), str(row)) for row in range(N_PAIRS)))
    mined = mine_bitext(SOURCES, TARGETS, vectors=VECTORS, threshold=gold)
    assert mined.bucc is not None
    assert mined.bucc.n_mined == len(mined)
    assert mined.bucc.f1 > 0.95
    assert mined.bucc.precision == right_share(mined)
    assert mined.summary()["gold"]["n_gold"] == N_PAIRS


def test_a_threshold_counts_in_every_selection() -> None:  # LASER passes it over outside of max
    for selection in Selection:
        every = mine_bitext(SOURCES, TARGETS, vectors=VECTORS, selection=selection)
        edge = every[20].score
        cut = mine_bitext(SOURCES, TARGETS, vectors=VECTORS, selection=selection, threshold=edge)
        assert ids(cut) == ids(every)[:20]


def test_the_best_is_by_margin_not_by_cosine() -> None:  # stopes takes the nearest by cosine
    hub = np.array([[1, 0, 0], [0.8, 0.6, 0], [0.9, 0.1, 0.42]], dtype=np.float32)
    source = np.array([[0.95, 0.31, 0], [0.9, 0.3, 0.3]], dtype=np.float32)
    forward = mine_bitext(
        ["a", "b"], ["hub", "x", "y"], vectors=(source, hub), selection="forward", margin="ratio", k=2
    )
    found, back = top_k_both(unit_rows(source), unit_rows(hub), 2)
    a, b = found.scores.mean(axis=1), back.scores.mean(axis=1)
    for row, pair in enumerate(sorted(forward, key=lambda each: each.source)):
        margins = found.scores[row] / ((a[row] + b[found.indices[row]]) / 2)
        assert pair.target == ["hub", "x", "y"][found.indices[row][margins.argmax()]]


@pytest.mark.parametrize("n_target", [0, 1, 3])
@pytest.mark.parametrize("selection", [*Selection, None])
def test_sides_smaller_than_the_neighborhood(n_target: int, selection: Selection | None) -> None:
    mined = mine_bitext(
        SOURCES[:5], TARGETS[:n_target], vectors=(VECTORS[0][:5], VECTORS[1][:n_target]), selection=selection, k=16
    )
    expected = {None: 5 * n_target, Selection.FORWARD: 5 if n_target else 0, Selection.BACKWARD: n_target}
    assert len(mined) == expected.get(selection, len(mined))
    assert len(mined) <= 5 * n_target
    assert mined.summary()["sides"][1]["distinct"] == n_target


def test_duplicates_are_one_sentence_with_all_ids(tmp_path: Path) -> None:
    (tmp_path / "x.de").write_bytes(b"d1\teins\nd2\tzwei\nd3\teins")
    (tmp_path / "x.en").write_bytes(b"e1\ttwo\ne2\tone\ne3\ttwo")
    source, target = np.eye(4, dtype=np.float32)[[0, 1, 0]], np.eye(4, dtype=np.float32)[[1, 0, 1]]
    mined = mine_bitext(tmp_path / "x.de", tmp_path / "x.en", vectors=(source, target), selection="intersection")
    assert [(pair.source, pair.source_ids, pair.target, pair.target_ids) for pair in mined] == [
        ("eins", ("d1", "d3"), "one", ("e2",)),
        ("zwei", ("d2",), "two", ("e1", "e3")),
    ]


def test_filters_leave_out_pairs_and_tell_of_them() -> None:
    told: list[tuple[str, PairReason]] = []
    options = MiningOptions(
        pairs=PairFilter(same_numbers=True), rejected_pair=lambda pair, reason: told.append((pair.source, reason))
    )
    sources, targets = (
        ["Nur 3 Wörter", "eins zwei drei vier fünf", "gut"],
        ["4 words", "eins zwei drei vier fünf", "good"],
    )
    mined = mine_bitext(sources, targets, vectors=(np.eye(3), np.eye(3)), options=options)
    assert [pair.source for pair in mined] == ["gut"]
    assert sorted(told) == [
        ("Nur 3 Wörter", PairReason.NUMBERS_DIFFER),
        ("eins zwei drei vier fünf", PairReason.COPY_OF_SOURCE),
    ]
    assert mined.rejected.total() == 2


def test_a_model_and_a_work_folder(student: str, tmp_path: Path) -> None:
    texts = [f"baran kodel {number} mifis" for number in range(50)]
    told: list[str] = []
    options = MiningOptions(work=tmp_path / "work", shard_rows=20)
    settings: dict[str, Any] = {"model": student, "options": options}
    first = mine_bitext(texts, texts[::-1], progress=lambda work, *_: told.append(work), **settings)
    assert {"encoding und", "mining tiles"} <= set(told)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "work").rglob("*.safetensors")}
    assert len(before) == 2 * 3 + 9
    again = mine_bitext(texts, texts[::-1], **settings)
    assert list(again) == list(first)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "work").rglob("*.safetensors")} == before
    assert list(mine_bitext(texts, texts[::-1], model=student)) == list(first)


def test_paraphrases() -> None:
    given = np.concatenate([VECTORS[0], VECTORS[1][:N_PAIRS]])
    texts = [*SOURCES, *TARGETS[:N_PAIRS]]
    mined = mine_paraphrases(texts, vectors=given, threshold=0.85)
    right = {(row, len(SOURCES) + row) for row in range(N_PAIRS)}
    found = {(int(ours), int(theirs)) for ours, theirs in ids(mined)}
    assert len(found & right) >= 55
    assert len(found - right) <= 3
    unit = unit_rows(given)
    for pair in mined[:5]:
        ours, theirs = int(pair.source_ids[0]), int(pair.target_ids[0])
        assert ours < theirs
        assert pair.score == pair.cosine == pytest.approx(float(unit[ours] @ unit[theirs]), abs=1e-6)
    assert len(mine_paraphrases(["alone"], vectors=np.ones((1, 2)))) == 0
    assert len(mine_paraphrases([], vectors=np.ones((0, 2)))) == 0


BAD: list[tuple[dict[str, Any], type[MlingEmbedError], str]] = [
    ({"vectors": None}, UsageError, "neither a model nor vectors"),
    ({"model": "x"}, UsageError, "a model and vectors: give one of them"),
    ({"margin": "cosine"}, UsageError, "'cosine' is no margin.*ratio, distance, absolute"),
    ({"selection": "best"}, UsageError, "'best' is no selection.*forward, backward, intersection, max"),
    ({"k": 0}, UsageError, "k is 0, expected at least 1"),
    ({"threshold": float("nan")}, UsageError, "the threshold is not a number"),
    ({"threshold": ByPrecision(), "selection": None}, UsageError, "an expected precision needs a selection"),
    ({"vectors": (np.ones((2, 3)), np.ones((2, 4)))}, UsageError, "vectors of 3 and 4 dimensions cannot be compared"),
    ({"vectors": (np.ones((2, 3)), np.ones(3))}, UsageError, r"vectors of float64 and shape \(3,\)"),
    ({"vectors": (np.ones((2, 3)), np.ones((2, 3), dtype=int))}, UsageError, "vectors of int64"),
    ({"vectors": (np.ones((2, 3)), np.ones((3, 3)))}, DataError, "3 vectors .* for 2 sentences"),
    ({"vectors": (np.ones((2, 3)), np.full((2, 3), np.nan))}, DataError, "vector 0 is not finite"),
    ({"options": MiningOptions(memory=1 << 20)}, UsageError, "4 sentences with 5 neighbors each need .* MiB; 1 are"),
]


@pytest.mark.parametrize(("change", "error", "match"), BAD, ids=[match for *_, match in BAD])
def test_bad_usage(change: dict[str, Any], error: type[MlingEmbedError], match: str) -> None:
    settings: dict[str, Any] = {"vectors": (np.ones((2, 3)), np.ones((2, 3))), **change}
    with pytest.raises(error, match=match):
        mine_bitext(["a", "b"], ["c", "d"], **settings)


def test_a_shard_of_no_rows() -> None:
    with pytest.raises(UsageError, match="shard_rows is 0"):
        MiningOptions(shard_rows=0)


def test_hostile_text_goes_through() -> None:
    texts = [
        "\u202bمرحبا\u202c",
        "👩‍👩‍👧‍👦",
        "e\u0301\u0323",
        "x\u2028y",
        "می‌خواهم",
        "a",
        '"',
        "<b>&amp;</b>",
        "\t tab \t",
    ]
    mined = mine_bitext(texts, [f"t{place}" for place in range(9)], vectors=(np.eye(9), np.eye(9)))
    assert {pair.target: pair.source for pair in mined}["t4"] == "می‌خواهم"
    assert len(mined) == 9
