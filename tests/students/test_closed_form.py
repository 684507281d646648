"""Closed-form heads: the right regression, the right choice, and nothing held out that was fitted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import orthogonal_procrustes
from sklearn.linear_model import Ridge

from mling_embed.errors import DataError
from mling_embed.students.closed_form import FittedHead, HeadKind, LinearHead, closed_form_head
from mling_embed.students.trained_head import train_head


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def world(n_rows: int, width: int, dim: int, *, noise: float, seed: int = 0, each: int = 2) -> tuple[np.ndarray, ...]:
    """Return vectors of an encoder whose map to the teacher is affine, but for noise: `each` sentences of every row."""
    random = np.random.default_rng(seed)
    targets = unit(random.normal(size=(n_rows, dim)))
    rows = np.tile(np.arange(n_rows), each)
    encoder = random.normal(size=(dim, width)) / dim**0.5
    vectors = targets[rows] @ encoder + 3.0 + noise * random.normal(size=(len(rows), width))
    return vectors.astype(np.float32), targets, rows


def agreement(head: LinearHead, vectors: np.ndarray, targets: np.ndarray) -> float:
    return float((unit(head.apply(vectors)) * unit(targets)).sum(axis=1).mean())


def test_few_sentences_get_the_ridge_that_one_computes_by_hand() -> None:
    vectors, targets = np.array([[0.0], [2.0]], np.float32), np.array([[1.0], [5.0]], np.float32)
    fitted = closed_form_head(vectors, targets, np.arange(2))
    assert (fitted.kind, fitted.ridge, fitted.trials) == (HeadKind.RIDGE, 1e-2, ())
    np.testing.assert_allclose(fitted.head.weight, [[2 / 1.01]], rtol=1e-6)  # covariance 2, variance 1, penalty 0.01
    np.testing.assert_allclose(fitted.head.bias, [3 - 2 / 1.01], rtol=1e-6)


@pytest.mark.parametrize("share", [1e-4, 1e-1, 10.0])
def test_ridge_is_that_of_scikit_learn(share: float) -> None:
    vectors, targets, rows = world(300, 12, 7, noise=0.3)
    fitted = closed_form_head(vectors, targets, rows, kinds=[HeadKind.RIDGE], ridges=[share])
    theirs = Ridge(alpha=share * vectors.astype(np.float64).var(axis=0).mean() * len(rows))
    theirs.fit(vectors.astype(np.float64), targets[rows].astype(np.float64))
    np.testing.assert_allclose(fitted.head.weight, theirs.coef_, atol=1e-5)
    np.testing.assert_allclose(fitted.head.bias, theirs.intercept_, atol=1e-5)


def test_orthogonal_is_that_of_scipy() -> None:
    vectors, targets, rows = world(300, 7, 7, noise=0.1)
    fitted = closed_form_head(vectors, targets, rows, kinds=[HeadKind.ORTHOGONAL])
    x, y = (each.astype(np.float64) - each.mean(axis=0, dtype=np.float64) for each in (vectors, targets[rows]))
    rotation, stretch = orthogonal_procrustes(x, y)
    np.testing.assert_allclose(fitted.head.weight, (rotation * stretch / np.square(x).sum()).T, atol=1e-5)
    np.testing.assert_allclose(fitted.head.apply(vectors).mean(axis=0), targets[rows].mean(axis=0), atol=1e-5)


def test_an_affine_map_is_found_exactly() -> None:
    vectors, targets, rows = world(400, 24, 16, noise=0.0)
    fitted = closed_form_head(vectors, targets, rows, kinds=[HeadKind.RIDGE])
    assert fitted.ridge == 1e-5
    assert fitted.trials[0].accuracy == 1.0
    assert agreement(fitted.head, vectors, targets[rows]) == pytest.approx(1.0, abs=1e-5)


def test_the_penalty_grows_with_the_noise() -> None:
    ridges = (1e-4, 1e-2, 1.0)
    vectors, targets, rows = world(240, 200, 8, noise=1.0, each=1)
    noisy = closed_form_head(vectors, targets, rows, kinds=[HeadKind.RIDGE], ridges=ridges)
    assert noisy.ridge == 1.0
    assert [trial.ridge for trial in noisy.trials] == [1.0, 1e-2, 1e-4]  # best first


def test_a_rotation_is_kept_where_there_is_too_little_text_to_fit_more() -> None:
    random = np.random.default_rng(0)
    targets = unit(random.normal(size=(220, 96)))
    rotation, _ = np.linalg.qr(random.normal(size=(96, 96)))
    vectors = (targets @ rotation + 0.15 * random.normal(size=targets.shape)).astype(np.float32)
    fitted = closed_form_head(vectors, targets, np.arange(220), kinds=[HeadKind.RIDGE, HeadKind.ORTHOGONAL])
    assert (fitted.kind, fitted.ridge) == (HeadKind.ORTHOGONAL, None)
    square = fitted.head.weight @ fitted.head.weight.T
    np.testing.assert_allclose(square, square[0, 0] * np.eye(96), atol=1e-5)


def test_training_is_kept_where_it_does_better() -> None:
    """Lengths say nothing, but squares heed the long vectors, and the shift that suits them spoils the short ones."""
    random = np.random.default_rng(0)
    targets = unit(random.normal(size=(240, 16)) + 1)
    lengths = np.exp(random.normal(size=(240, 1)))
    vectors = (lengths * targets @ random.normal(size=(16, 16))).astype(np.float32)
    fitted = closed_form_head(vectors, targets, np.arange(240), training_steps=150)
    best_ridge = next(trial for trial in fitted.trials if trial.kind is HeadKind.RIDGE)
    assert fitted.kind is fitted.trials[0].kind is HeadKind.TRAINED
    assert fitted.trials[0].cosine > best_ridge.cosine + 0.02
    assert agreement(fitted.head, vectors, targets) == pytest.approx(fitted.trials[0].cosine, abs=0.01)
    assert fitted.ridge == best_ridge.ridge  # of its start


def test_training_is_left_where_it_does_worse() -> None:
    vectors, targets, rows = world(220, 24, 16, noise=0.0, each=1)
    fitted = closed_form_head(vectors, targets, rows, training_steps=20)
    assert fitted.kind is HeadKind.RIDGE
    assert {trial.kind for trial in fitted.trials} == {HeadKind.RIDGE, HeadKind.TRAINED}  # widths differ


def test_further_numbers_are_read_where_they_say_more() -> None:
    random = np.random.default_rng(0)
    targets = unit(random.normal(size=(300, 8)))
    half, noise = targets[:, :4], random.normal(size=(300, 6))
    vectors = np.concatenate([half, targets[:, 4:], noise], axis=1).astype(np.float32)
    told = closed_form_head(vectors, targets, np.arange(300), kinds=[HeadKind.RIDGE], widths=(4, 8, 14))
    assert told.head.weight.shape == (8, 8)
    assert told.trials[0].width == 8
    usual = closed_form_head(
        vectors[:, [0, 1, 2, 3, 8, 9]], targets, np.arange(300), kinds=[HeadKind.RIDGE], widths=(4, 6)
    )
    assert usual.head.weight.shape == (8, 4)


def test_a_head_of_leading_numbers_is_that_of_those_numbers_alone() -> None:
    vectors, targets, rows = world(250, 10, 6, noise=0.2)
    for kinds in ([HeadKind.RIDGE], [HeadKind.ORTHOGONAL], list(HeadKind)):
        alone = closed_form_head(vectors[:, :6], targets, rows, kinds=kinds, training_steps=3)
        leading = closed_form_head(vectors, targets, rows, kinds=kinds, widths=[6], training_steps=3)
        np.testing.assert_allclose(leading.head.weight, alone.head.weight, atol=1e-5)
        assert leading.kind is alone.kind


def test_translations_of_a_held_out_row_are_held_out_with_it() -> None:
    """Rows that only memory could tell apart: a row's sentences are alike, and no map leads to its target."""
    random = np.random.default_rng(0)
    rows = np.tile(np.arange(300), 3)
    vectors = random.normal(size=(300, 280)).astype(np.float32)[rows]
    targets = unit(random.normal(size=(300, 8)))
    fitted = closed_form_head(vectors, targets, rows, kinds=[HeadKind.RIDGE])
    assert max(trial.accuracy for trial in fitted.trials) < 0.25  # chance is 1 of 30; 1.0 with a copy left in


def test_trials_are_measured_on_held_out_rows_by_hand() -> None:
    """Held-out accuracy and cosine are those of the same head on the rows that numpy's permutation leaves out."""
    vectors, targets, rows = world(250, 10, 6, noise=0.4, seed=3)
    fitted = closed_form_head(vectors, targets, rows, kinds=[HeadKind.RIDGE], ridges=[0.1], seed=5)
    held = np.sort(np.random.default_rng(5).permutation(250)[:25])
    out = np.isin(rows, held)
    theirs = Ridge(alpha=0.1 * vectors[~out].astype(np.float64).var(axis=0).mean() * (~out).sum())
    theirs.fit(vectors[~out].astype(np.float64), targets[rows[~out]].astype(np.float64))
    scores = unit(theirs.predict(vectors[out])) @ targets[held].T
    expected = (held[scores.argmax(axis=1)] == rows[out]).mean()
    own = scores[np.arange(out.sum()), np.searchsorted(held, rows[out])]
    (trial,) = fitted.trials
    assert trial.accuracy == pytest.approx(expected)
    assert trial.cosine == pytest.approx(own.mean(), abs=1e-5)


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_order_of_sentences_does_not_matter(seed: int) -> None:
    vectors, targets, rows = world(230, 9, 9, noise=0.3)
    order = np.random.default_rng(seed).permutation(len(rows))
    kinds = [HeadKind.RIDGE, HeadKind.ORTHOGONAL]
    one = closed_form_head(vectors, targets, rows, kinds=kinds)
    other = closed_form_head(vectors[order], targets, rows[order], kinds=kinds)
    assert (one.kind, one.ridge) == (other.kind, other.ridge)
    np.testing.assert_allclose(one.head.weight, other.head.weight, atol=1e-5)


@settings(max_examples=15)
@given(scale=st.floats(0.01, 100.0), shift=st.floats(-5.0, 5.0))
def test_scale_and_shift_of_the_vectors_do_not_matter(scale: float, shift: float) -> None:
    vectors, targets, rows = world(230, 9, 6, noise=0.3)
    moved = (vectors.astype(np.float64) * scale + shift * scale).astype(np.float32)
    heads = [closed_form_head(each, targets, rows, kinds=[HeadKind.RIDGE]) for each in (vectors, moved)]
    assert heads[0].ridge == heads[1].ridge
    np.testing.assert_allclose(heads[1].head.apply(moved), heads[0].head.apply(vectors), atol=2e-3)


def test_the_same_seed_gives_the_same_bytes() -> None:
    def fit(seed: int) -> FittedHead:
        vectors, targets, rows = world(220, 9, 9, noise=0.3, each=1)
        return closed_form_head(vectors, targets, rows, training_steps=5, seed=seed)

    assert fit(1).head.weight.tobytes() == fit(1).head.weight.tobytes()
    assert fit(1).trials != fit(2).trials


def test_half_precision_vectors_are_summed_in_double() -> None:
    vectors, targets, rows = world(240, 8, 6, noise=0.1)
    vectors = (vectors + 200).astype(np.float16)  # squares above what fp16 holds
    fitted = closed_form_head(vectors, targets.astype(np.float16), rows, kinds=[HeadKind.RIDGE])
    assert np.isfinite(fitted.head.weight).all()
    np.testing.assert_allclose(fitted.head.apply(vectors).mean(axis=0), targets.mean(axis=0), atol=1e-2)


def test_training_lowers_the_loss_and_reports_each_step() -> None:
    vectors, targets, rows = world(150, 12, 8, noise=0.2)
    weight, bias = np.zeros((8, 12), np.float32), np.full(8, 0.1, np.float32)
    steps: list[tuple[str, int, int | None]] = []
    trained = LinearHead(
        *train_head(weight, bias, vectors, targets, rows, steps=200, progress=lambda *s: steps.append(s))
    )
    assert agreement(LinearHead(weight, bias), vectors, targets[rows]) < 0.2
    assert agreement(trained, vectors, targets[rows]) > 0.8
    assert steps == [("training the head", n, 200) for n in range(1, 201)]


def test_no_step_leaves_the_head_as_it_is() -> None:
    vectors, targets, rows = world(50, 12, 8, noise=0.2)
    start = closed_form_head(vectors, targets, rows).head
    trained = LinearHead(*train_head(start.weight, start.bias, vectors, targets, rows, steps=0))
    np.testing.assert_allclose(trained.apply(vectors), start.apply(vectors), atol=1e-5)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda v, t, r: (v[:1], t, r[:1]), "cannot be fitted to 1 sentences.*Give more pairs"),
        (lambda v, t, r: (v[:0], t, r[:0]), "cannot be fitted to 0 sentences"),
        (lambda v, t, r: (np.where(v == v[0, 0], np.inf, v), t, r), "vectors are not all finite.*fp32"),
        (lambda v, t, r: (v, t * np.nan, r), "targets are not all finite"),
        (lambda v, t, r: (np.ones_like(v), t, r), "every sentence the same vector.*another encoder"),
    ],
)
def test_what_cannot_be_fitted_is_refused(change: Any, says: str) -> None:
    vectors, targets, rows = world(30, 5, 4, noise=0.1)
    with pytest.raises(DataError, match=says):
        closed_form_head(*change(vectors, targets, rows))
