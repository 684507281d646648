"""The rotation: Eckart and Young's optimum for every prefix, in the saved teacher too; and projections."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize

from mling_embed.encoders import pca as subject
from mling_embed.encoders.fitness import examine
from mling_embed.encoders.heads import behind, output_dim, projection, with_head
from mling_embed.encoders.loading import load_sentence_transformer
from mling_embed.encoders.pca import Rotation
from mling_embed.encoders.precision import Precision
from mling_embed.encoders.transformer import TransformerEncoder
from mling_embed.errors import DataError, UsageError

TEXTS = [
    f"{who} {what} {where}" for who in ("a man", "no one", "rain") for what in ("is", "sees") for where in "abcdefgh"
]


def lopsided(n: int = 500, dim: int = 24, seed: int = 0) -> np.ndarray:
    """Unit vectors whose axes differ in weight."""
    random = np.random.default_rng(seed)
    mixed = (random.standard_normal((n, dim)) * 0.8 ** np.arange(dim)) @ random.standard_normal((dim, dim)) + 0.3
    return (mixed / np.linalg.norm(mixed, axis=1, keepdims=True)).astype(np.float32)


def lost(vectors: np.ndarray, prefixes: np.ndarray, axes: np.ndarray) -> float:
    """Sum of squared errors of vectors rebuilt from the prefixes of their rotations."""
    exact = vectors.astype(np.float64)
    return float(np.square(exact - prefixes.astype(np.float64) @ axes.astype(np.float64)).sum())


def optimum(vectors: np.ndarray) -> np.ndarray:
    """The least sum of squared errors of any k numbers a vector, for k = 0, 1, ... (Eckart & Young 1936)."""
    squares = np.square(np.linalg.svd(vectors.astype(np.float64), compute_uv=False))
    return np.append(squares[::-1].cumsum()[::-1], 0)


@pytest.fixture
def model(tiny_teacher: Path) -> SentenceTransformer:
    return load_sentence_transformer(tiny_teacher)


@pytest.fixture
def fitted(model: SentenceTransformer) -> Rotation:
    return Rotation.fit(model.encode(TEXTS))


def test_axes_by_hand() -> None:
    rotation = Rotation.fit(np.asarray([[3, 0, 0], [0, 0, -4], [0, 0, 0]], dtype=np.float32))
    np.testing.assert_array_equal(rotation.matrix, [[0, 0, 1], [1, 0, 0], [0, 1, 0]])
    np.testing.assert_allclose(rotation.explained, [16 / 25, 9 / 25, 0])
    assert (rotation.dim, rotation.kept(1), rotation.kept(3)) == (3, pytest.approx(0.64), pytest.approx(1))
    np.testing.assert_array_equal(rotation.apply(np.asarray([[1, 2, 3]], dtype=np.float16), dim=2), [[3, 1]])


@settings(max_examples=15)
@given(st.integers(0, 1000), st.integers(2, 24), st.integers(30, 300))
def test_every_prefix_loses_no_more_than_it_must(seed: int, dim: int, n: int) -> None:
    vectors = lopsided(n, dim, seed)
    rotation = Rotation.fit(vectors)
    least = optimum(vectors)
    total = least[0]
    for k in range(1, dim + 1):
        exact = vectors.astype(np.float64) @ rotation.matrix[:k].T.astype(np.float64)
        assert lost(vectors, exact, rotation.matrix[:k]) == pytest.approx(least[k], rel=1e-6, abs=1e-12 * total)
        assert total * (1 - rotation.kept(k)) == pytest.approx(least[k], rel=1e-6, abs=1e-9 * total)
        assert lost(vectors, rotation.apply(vectors, dim=k), rotation.matrix[:k]) <= least[k] + 1e-6 * total


def test_it_is_orthogonal_and_says_the_same_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = lopsided()
    rotation = Rotation.fit(vectors)
    np.testing.assert_allclose(rotation.matrix @ rotation.matrix.T, np.eye(24), atol=1e-6)
    np.testing.assert_array_equal(Rotation.fit(vectors).matrix, rotation.matrix)
    np.testing.assert_allclose(Rotation.fit(-vectors[::-1]).matrix, rotation.matrix, atol=1e-5)
    assert (rotation.matrix.max(axis=1) == np.abs(rotation.matrix).max(axis=1)).all()
    monkeypatch.setattr(subject, "_ROWS_AT_A_TIME", 77)
    np.testing.assert_allclose(Rotation.fit(vectors).matrix, rotation.matrix, atol=1e-5)
    np.testing.assert_allclose(Rotation.fit(vectors.astype(np.float16)).explained, rotation.explained, atol=1e-4)


def test_fewer_vectors_than_dimensions_still_give_a_whole_rotation() -> None:
    rotation = Rotation.fit(lopsided(5))
    np.testing.assert_allclose(rotation.matrix @ rotation.matrix.T, np.eye(24), atol=1e-6)
    assert rotation.kept(5) == pytest.approx(1)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_vectors_without_axes_are_refused(value: float) -> None:
    with pytest.raises(DataError, match="all zero, or not finite"):
        Rotation.fit(np.full((4, 3), value, dtype=np.float32))
    with pytest.raises(DataError, match="all zero, or not finite"):
        Rotation.fit(np.zeros((0, 3), dtype=np.float32))


def test_a_whole_rotation_leaves_every_cosine(model: SentenceTransformer, fitted: Rotation) -> None:
    rotated = behind(model, fitted)
    before, after = model.encode(TEXTS), rotated.encode(TEXTS)
    np.testing.assert_allclose(after @ after.T, before @ before.T, atol=1e-6)
    np.testing.assert_allclose(after, fitted.apply(before), atol=1e-6)
    assert np.abs(after - before).max() > 0.1
    assert [type(module).__name__ for module in rotated] == ["Transformer", "Pooling", "Dense", "Normalize"]
    assert len(model) == 3


def test_a_saved_teacher_gives_prefixes_that_lose_no_more_than_they_must(
    model: SentenceTransformer, fitted: Rotation, tmp_path: Path
) -> None:
    model.prompts, model.default_prompt_name, model.similarity_fn_name = {"query": "query: "}, "query", "dot"
    vectors = model.encode(TEXTS, prompt="")
    behind(model, fitted).save(str(tmp_path / "model"), create_model_card=False)
    loaded = load_sentence_transformer(tmp_path / "model")
    assert (loaded.prompts["query"], loaded.default_prompt_name, loaded.similarity_fn_name) == (
        "query: ",
        "query",
        "dot",
    )
    np.testing.assert_array_equal(loaded.encode(TEXTS, prompt=""), behind(model, fitted).encode(TEXTS, prompt=""))
    least = optimum(vectors)
    for k in range(1, 33):
        prefixes = SentenceTransformer(str(tmp_path / "model"), device="cpu", truncate_dim=k).encode(TEXTS, prompt="")
        assert prefixes.shape == (len(TEXTS), k)
        assert lost(vectors, prefixes, fitted.matrix[:k]) <= least[k] + 1e-6 * least[0]
    facts = examine(TransformerEncoder(loaded, precision=Precision.FP32))
    assert [type(module).__name__ for module in loaded] == ["Transformer", "Pooling", "Dense", "Normalize"]
    assert (facts.dim, facts.unit_norm) == (32, True)


def test_a_cut_teacher_normalises_after_the_cut(model: SentenceTransformer, fitted: Rotation, tmp_path: Path) -> None:
    behind(model, fitted, dim=8).save(str(tmp_path / "model"), create_model_card=False)
    vectors = load_sentence_transformer(tmp_path / "model").encode(TEXTS)
    prefixes = fitted.apply(model.encode(TEXTS), dim=8)
    np.testing.assert_allclose(vectors, prefixes / np.linalg.norm(prefixes, axis=1, keepdims=True), atol=1e-6)


def test_vectors_of_any_length_keep_it(model: SentenceTransformer) -> None:
    bare = with_head(model, unit_norm=False)
    vectors = bare.encode(TEXTS)
    rotation = Rotation.fit(vectors)
    rotated = behind(bare, rotation).encode(TEXTS)
    np.testing.assert_allclose(np.linalg.norm(rotated, axis=1), np.linalg.norm(vectors, axis=1), rtol=1e-6)
    np.testing.assert_allclose(behind(bare, rotation, dim=5).encode(TEXTS), rotated[:, :5], atol=1e-6)


def test_training_behind_a_rotation_does_not_change_it(model: SentenceTransformer, fitted: Rotation) -> None:
    before = fitted.matrix.copy()
    with torch.no_grad():
        for module in (behind(model, fitted)[2], projection(32, 8, rotation=fitted)):
            module.linear.weight.zero_()
    np.testing.assert_array_equal(fitted.matrix, before)


def test_a_rotation_of_another_width_is_refused(model: SentenceTransformer, fitted: Rotation) -> None:
    with pytest.raises(UsageError, match="the rotation is of 24 dimensions; the model's vectors have 32"):
        behind(model, Rotation.fit(lopsided()))
    for dim in (0, 33):
        with pytest.raises(UsageError, match=f"cannot keep {dim} of 32 dimensions"):
            behind(model, fitted, dim=dim)
    model.truncate_dim = 16
    with pytest.raises(UsageError, match=r"of 32 dimensions; the model's vectors have 16\. Fit it to vectors of this"):
        behind(model, fitted)


def test_behind_a_truncated_model_what_it_cuts_off_is_passed_over(model: SentenceTransformer) -> None:
    texts = ["where is the station", "no", "a man, a plan"]
    model.truncate_dim = 16
    assert output_dim(model) == 32
    rotation = Rotation.fit(lopsided(dim=16))
    cut = model.encode(texts)
    expected = rotation.apply(cut, dim=4)
    rotated = behind(model, rotation, dim=4)
    assert rotated.truncate_dim is None
    np.testing.assert_allclose(
        rotated.encode(texts), expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-5
    )


@pytest.mark.parametrize(("student_dim", "teacher_dim"), [(32, 24), (24, 32), (16, 16)])
def test_a_projection_starts_orthogonal(student_dim: int, teacher_dim: int) -> None:
    dense = projection(student_dim, teacher_dim, seed=3)
    weight = dense.linear.weight.detach().numpy()
    assert weight.shape == (teacher_dim, student_dim)
    gram = weight @ weight.T if teacher_dim <= student_dim else weight.T @ weight
    np.testing.assert_allclose(gram, np.eye(min(student_dim, teacher_dim)), atol=1e-5)
    np.testing.assert_array_equal(projection(student_dim, teacher_dim, seed=3).linear.weight.detach(), weight)
    assert np.abs(projection(student_dim, teacher_dim, seed=4).linear.weight.detach().numpy() - weight).max() > 0.01
    assert dense.linear.weight.requires_grad
    assert dense.linear.bias is None


def test_a_projection_starts_as_the_rotation(model: SentenceTransformer, fitted: Rotation) -> None:
    student = with_head(model, projection(32, 8, rotation=fitted), unit_norm=True)
    np.testing.assert_allclose(student.encode(TEXTS), behind(model, fitted, dim=8).encode(TEXTS), atol=1e-6)
    for student_dim, teacher_dim in ((24, 8), (32, 40)):
        with pytest.raises(UsageError, match=f"32 dimensions cannot map {student_dim} to {teacher_dim}"):
            projection(student_dim, teacher_dim, rotation=fitted)


def test_a_head_comes_before_the_closing_normalize_only(model: SentenceTransformer) -> None:
    dense = projection(32, 8)
    assert [type(module) for module in with_head(model, dense, unit_norm=True)][2:] == [Dense, Normalize]
    assert [type(module) for module in with_head(model, dense, unit_norm=False)][2:] == [Dense]
    inner = with_head(SentenceTransformer(modules=[*model, dense], device="cpu"), unit_norm=True)
    assert [type(module) for module in inner][2:] == [Normalize, Dense, Normalize]
