"""The student's head: as wide and as long as its targets, and never collapsed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer

from mling_embed.encoders.fitness import examine, require_cosine
from mling_embed.encoders.heads import behind, fit_head, with_head
from mling_embed.encoders.loading import load_sentence_transformer
from mling_embed.encoders.pca import Rotation
from mling_embed.encoders.precision import Precision
from mling_embed.encoders.transformer import TransformerEncoder
from mling_embed.errors import MlingEmbedError, UsageError
from mling_embed.training.collapse import mean_cosine, require_spread

TEXTS = ["Where is the station?", "no", "", "rain in the north", "A man is playing.", "number 9"]
SPREAD = np.eye(4, 3, dtype=np.float32)  # targets that are far apart


@pytest.fixture
def student(tiny_teacher: Path) -> SentenceTransformer:
    return load_sentence_transformer(tiny_teacher)


def kinds(model: SentenceTransformer) -> list[str]:
    return [type(module).__name__ for module in model]


@pytest.mark.parametrize("had", [True, False])
@pytest.mark.parametrize("unit_norm", [True, False])
@pytest.mark.parametrize("dim", [32, 8, 40])
def test_the_head_is_what_the_targets_ask_for(
    student: SentenceTransformer, tmp_path: Path, had: bool, unit_norm: bool, dim: int
) -> None:
    fitted = fit_head(with_head(student, unit_norm=had), dim=dim, unit_norm=unit_norm)
    assert kinds(fitted)[2:] == ["Dense"] * (dim != 32) + ["Normalize"] * unit_norm
    fitted.save(str(tmp_path / "model"), create_model_card=False)
    facts = examine(TransformerEncoder(load_sentence_transformer(tmp_path / "model"), precision=Precision.FP32))
    assert (facts.dim, facts.unit_norm) == (dim, unit_norm)
    again = fit_head(fitted, dim=dim, unit_norm=unit_norm)
    assert kinds(again) == kinds(fitted)
    np.testing.assert_array_equal(load_sentence_transformer(tmp_path / "model").encode(TEXTS), again.encode(TEXTS))


def test_a_head_that_fits_changes_no_vector(student: SentenceTransformer) -> None:
    np.testing.assert_array_equal(fit_head(student, dim=32, unit_norm=True).encode(TEXTS), student.encode(TEXTS))


def test_a_cut_off_student_gives_whole_vectors_again(student: SentenceTransformer) -> None:
    student.truncate_dim, student.similarity_fn_name = 8, "dot"
    fitted = fit_head(student, dim=32, unit_norm=True)
    assert (fitted.truncate_dim, fitted.encode(TEXTS).shape, kinds(fitted)[2:]) == (None, (6, 32), ["Normalize"])
    assert fitted.similarity_fn_name == "cosine"


@pytest.mark.parametrize("dim", [8, 32])
def test_a_student_of_the_teachers_body_starts_at_rotated_targets(student: SentenceTransformer, dim: int) -> None:
    rotation = Rotation.fit(student.encode(TEXTS))
    fitted = fit_head(student, dim=dim, unit_norm=True, rotation=rotation)
    np.testing.assert_allclose(fitted.encode(TEXTS), behind(student, rotation, dim=dim).encode(TEXTS), atol=1e-6)
    with pytest.raises(UsageError, match="a rotation of 32 dimensions cannot map 32 to 40"):
        fit_head(student, dim=40, unit_norm=True, rotation=rotation)


@given(st.integers(0, 1000), st.integers(2, 12))
def test_the_mean_cosine_is_that_of_all_pairs(seed: int, n: int) -> None:
    vectors = np.random.default_rng(seed).normal(0.5, 2, size=(n, 5)).astype(np.float32)
    unit = vectors.astype(np.float64) / np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    expected = (unit @ unit.T)[~np.eye(n, dtype=bool)].mean()
    assert mean_cosine(vectors) == pytest.approx(expected, abs=1e-9)


def test_zero_vectors_are_a_direction_of_their_own() -> None:
    assert mean_cosine(np.zeros((3, 2), dtype=np.float32)) == pytest.approx(1)
    assert mean_cosine(np.asarray([[0, 0], [3, 0], [0, 0.5]], dtype=np.float32)) == pytest.approx(0)
    assert mean_cosine(np.ones((1, 2), dtype=np.float32)) == 0


@pytest.mark.parametrize("value", [0.0, 0.2, np.nan, np.inf])
def test_a_collapsed_student_is_refused(value: float) -> None:
    with pytest.raises(MlingEmbedError, match=r"collapsed: the mean cosine of 4 .* is .*learning rate"):
        require_spread(np.full((4, 3), value, dtype=np.float16), SPREAD)


def test_the_limit_of_the_collapse() -> None:
    for cosine in (0.991, 0.989):
        pair = np.asarray([[1, 0], [cosine, (1 - cosine**2) ** 0.5]], dtype=np.float32)
        if cosine < 0.99:
            require_spread(pair, SPREAD[:2, :2])
        else:
            with pytest.raises(MlingEmbedError, match=r"is 0\.9910, expected at most 0\.99"):
                require_spread(pair, SPREAD[:2, :2])


def test_a_student_may_be_as_close_as_its_targets() -> None:
    close = np.asarray([[1, 0.01], [1, -0.01]], dtype=np.float32)
    require_spread(close, close)
    with pytest.raises(MlingEmbedError, match="collapsed"):
        require_spread(np.ones((2, 2), dtype=np.float32), close)


def test_the_way_out_for_a_dot_product_teacher(student: SentenceTransformer, tmp_path: Path) -> None:
    """What the refusal of a dot-product teacher says: add a Normalize module, and save."""
    student.similarity_fn_name = "dot"
    teacher = with_head(student, unit_norm=False)
    with pytest.raises(UsageError, match=r"trained for the dot product.*add a Normalize module to it and save it"):
        require_cosine(TransformerEncoder(teacher), examine(TransformerEncoder(teacher)))
    with_head(teacher, unit_norm=True).save(str(tmp_path / "model"), create_model_card=False)
    mended = load_sentence_transformer(tmp_path / "model")
    assert mended.similarity_fn_name == "dot"
    require_cosine(TransformerEncoder(mended), examine(TransformerEncoder(mended)))
