"""A teacher and its student as one model: queries by the one, documents by the other, as sentence-transformers does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from mling_embed.encoders.contract import Encoder, PromptRole
from mling_embed.encoders.exporting import export_router
from mling_embed.encoders.exports.check_texts import graded_pairs
from mling_embed.encoders.loading import load, load_sentence_transformer
from mling_embed.encoders.precision import Precision
from mling_embed.encoders.routed import RoutedEncoder, router_of, shared_space
from mling_embed.encoders.static import StaticEncoder
from mling_embed.errors import DataError, UsageError
from mling_embed.indexing.index import Index
from mling_embed.indexing.model_match import Relation
from mling_embed.tokenizers.vocabulary import train_unigram

TEXTS = ["Where is the station?", "the dog", "no", "a very long way to the station, is it not?"]


@pytest.fixture(scope="module")
def static(tiny_teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a static student that knows the graded pairs: its table solves for the teacher's vectors."""
    texts = list(dict.fromkeys(graded_pairs().first))
    tokenizer = train_unigram(texts * 2, size=900)
    bags = np.zeros((len(texts), tokenizer.get_vocab_size()), dtype=np.float32)
    for row, text in enumerate(texts):
        for token in tokenizer.encode(text).ids:
            bags[row, token] += 1
    table = np.linalg.lstsq(bags, load(tiny_teacher, device="cpu").encode(texts), rcond=None)[0]
    folder = tmp_path_factory.mktemp("static") / "model"
    StaticEncoder(tokenizer, table.astype(np.float32)).save(folder)
    return folder


@pytest.mark.parametrize("kind", ["static", "transformer"])
def test_plain_sentence_transformers_gives_our_vectors(
    kind: str, static: Path, tiny_teacher: Path, tmp_path: Path
) -> None:
    student = static
    if kind == "transformer":
        model = load_sentence_transformer(tiny_teacher, device="cpu")
        model.prompts = {"query": "query: "}
        model.save(str(tmp_path / "student"), create_model_card=False)
        student = tmp_path / "student"
        with pytest.raises(DataError, match="they share no space"):
            shared_space(np.eye(4, dtype=np.float32), np.roll(np.eye(4, dtype=np.float32), 1, axis=0))
    made = export_router(tiny_teacher, student, tmp_path / "router")
    ours, plain = load(tmp_path / "router", device="cpu"), SentenceTransformer(str(tmp_path / "router"), device="cpu")
    assert isinstance(ours, RoutedEncoder)
    assert isinstance(ours, Encoder)
    assert ours.fingerprint == made.fingerprint
    teacher, own = (load(folder, device="cpu", precision=Precision.FP32) for folder in (tiny_teacher, student))
    queries, documents = ours.encode(TEXTS, role=PromptRole.QUERY), ours.encode(TEXTS, role=PromptRole.PASSAGE)
    np.testing.assert_allclose(plain.encode_query(TEXTS), queries, atol=1e-6)
    np.testing.assert_allclose(plain.encode_document(TEXTS), documents, atol=1e-6)
    np.testing.assert_allclose(own.encode(TEXTS, role=PromptRole.QUERY), queries, atol=1e-6)
    np.testing.assert_allclose(teacher.encode(TEXTS), documents, atol=1e-6)
    np.testing.assert_allclose(ours.encode(TEXTS), documents, atol=1e-6)
    np.testing.assert_array_equal(
        ours.token_counts(TEXTS, role=PromptRole.QUERY), own.token_counts(TEXTS, role=PromptRole.QUERY)
    )


def test_an_index_takes_both_ways(static: Path, tiny_teacher: Path, tmp_path: Path) -> None:
    router = export_router(tiny_teacher, static, tmp_path / "router")
    first = graded_pairs().first[:20]
    with Index.create(tmp_path / "own", model=str(tmp_path / "router")) as index:
        index.add(first)
        stored = router.passage.encode(first)
        hit = index.search(first[3], 1)[0]
        query = load(static, device="cpu").encode(first[3])
        assert hit.score == pytest.approx(float(stored[3] @ query), abs=1e-3)
    with Index.create(tmp_path / "teacher", model=str(tiny_teacher)) as index:
        index.add(first)
    with Index.open(tmp_path / "teacher", model=str(tmp_path / "router")) as index:
        assert index.search(first[3], 1)[0].text == first[3]
        assert index.relation is Relation.STUDENT


def test_two_spaces_are_refused(tiny_teacher: Path, tmp_path: Path) -> None:
    tokenizer = train_unigram(["where is the station"] * 9, size=600)
    random = np.random.default_rng(0)
    for dim in (16, 32):
        table = random.standard_normal((tokenizer.get_vocab_size(), dim), dtype=np.float32)
        StaticEncoder(tokenizer, table).save(tmp_path / str(dim))
    with pytest.raises(UsageError, match="32 dimensions, the student's 16"):
        export_router(tiny_teacher, tmp_path / "16", tmp_path / "router")
    with pytest.raises(DataError, match="they share no space"):
        export_router(tiny_teacher, tmp_path / "32", tmp_path / "router")
    assert not (tmp_path / "router").exists()
    cut = load_sentence_transformer(tiny_teacher, device="cpu")
    cut.truncate_dim = 16
    with pytest.raises(UsageError, match="cuts no vectors off"):
        router_of(cut, cut)
