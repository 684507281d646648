"""Every encoder gives what the contract says, whatever it is made of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from mling_embed.encoders.contract import Encoder, PromptRole
from mling_embed.encoders.foreign import ForeignEncoder
from mling_embed.encoders.loading import as_encoder, load, load_sentence_transformer, sentence_transformer_of
from mling_embed.encoders.precision import Precision
from mling_embed.encoders.static import StaticEncoder
from mling_embed.encoders.transformer import TransformerEncoder
from mling_embed.errors import UsageError
from mling_embed.tokenizers.vocabulary import train_unigram

TEXTS = ["Wo ist der Bahnhof?", "", "x" * 300, "a\x00b\u2028c", "مرحبا"]


class Lengths:
    """A model of no library: the number of characters, and of spaces."""

    def encode(self, texts: list[str]) -> list[list[float]]:
        return [[float(len(text)), float(text.count(" "))] for text in texts]


@pytest.fixture
def static_folder(tmp_path: Path) -> Path:
    tokenizer = train_unigram(["where is the station", "wo ist der bahnhof"] * 9, size=600)
    table = np.random.default_rng(0).standard_normal((tokenizer.get_vocab_size(), 16), dtype=np.float32)
    StaticEncoder(tokenizer, table).save(tmp_path / "static")
    return tmp_path / "static"


@pytest.fixture(params=["static", "transformer", "foreign"])
def encoder(request: pytest.FixtureRequest, static_folder: Path, tiny_teacher: Path) -> Encoder:
    made: dict[str, Callable[[], Encoder]] = {
        "static": lambda: load(static_folder, device="cpu"),
        "transformer": lambda: load(tiny_teacher, device="cpu"),
        "foreign": lambda: as_encoder(Lengths()),
    }
    return made[request.param]()


def test_one_text_is_a_vector_and_a_list_is_a_matrix(encoder: Encoder) -> None:
    assert isinstance(encoder, Encoder)
    matrix = encoder.encode(TEXTS)
    assert (matrix.shape, matrix.dtype) == ((len(TEXTS), encoder.dim), np.float32)
    vector = encoder.encode(TEXTS[0])
    assert vector.shape == (encoder.dim,)
    np.testing.assert_allclose(vector, matrix[0], atol=1e-6)
    assert encoder.encode([]).shape == (0, encoder.dim)
    assert encoder.encode([TEXTS[0]]).shape == (1, encoder.dim)


def test_every_row_is_told_of_once(encoder: Encoder) -> None:
    told: list[tuple[int, np.ndarray]] = []
    matrix = encoder.encode(TEXTS * 3, done=lambda rows, part: told.extend(zip(rows.tolist(), part, strict=True)))
    assert sorted(row for row, _ in told) == list(range(len(TEXTS) * 3))
    for row, vector in told:
        np.testing.assert_array_equal(vector, matrix[row])


def test_an_encoder_is_taken_as_it_is(encoder: Encoder) -> None:
    assert as_encoder(encoder) is encoder
    assert encoder.device in ("cpu", "unknown")
    assert set(encoder.prompts) == set(PromptRole)


def test_the_fingerprint_is_of_what_is_saved(static_folder: Path, tiny_teacher: Path, tmp_path: Path) -> None:
    for folder in (static_folder, tiny_teacher):
        encoder = load(folder, device="cpu")
        encoder.save(tmp_path / folder.name, model_card="# A card\n")
        assert load(tmp_path / folder.name, device="cpu").fingerprint == encoder.fingerprint
        assert (tmp_path / folder.name / "README.md").read_text() == "# A card\n"
    assert load(static_folder).fingerprint != load(tiny_teacher, device="cpu").fingerprint


def test_the_fingerprint_of_a_foreign_model_is_that_of_its_vectors() -> None:
    class Doubled(Lengths):
        def encode(self, texts: list[str]) -> list[list[float]]:
            return [[2 * value for value in row] for row in super().encode(texts)]

    assert as_encoder(Lengths()).fingerprint == as_encoder(Lengths()).fingerprint
    assert as_encoder(Lengths()).fingerprint != as_encoder(Doubled()).fingerprint


def test_prompts_are_put_by_role(tiny_teacher: Path) -> None:
    model = load_sentence_transformer(tiny_teacher, device="cpu")
    model.prompts = {"query": "query: ", "document": "", "passage": "passage: "}
    encoder = as_encoder(model)
    assert encoder.prompts == {PromptRole.QUERY: "query: ", PromptRole.PASSAGE: "passage: "}
    np.testing.assert_allclose(encoder.encode("the station"), model.encode("the station"), atol=1e-5)
    for role, prompt in encoder.prompts.items():
        expected = model.encode(["the station"], prompt=prompt)
        np.testing.assert_allclose(encoder.encode(["the station"], role=role), expected, atol=1e-5)
        plain, prompted = encoder.token_counts(["the station"]), encoder.token_counts(["the station"], role=role)
        assert prompted[0] - plain[0] == len(model.tokenizer(prompt, add_special_tokens=False)["input_ids"])


def test_a_truncated_model_gives_its_prefix(tiny_teacher: Path, tmp_path: Path) -> None:
    model = load_sentence_transformer(tiny_teacher, device="cpu")
    whole = as_encoder(model).encode(TEXTS)
    model.truncate_dim = 8
    model.save(str(tmp_path / "cut"), create_model_card=False)
    cut = load(tmp_path / "cut", device="cpu", precision=Precision.FP32)
    assert cut.dim == 8
    np.testing.assert_allclose(cut.encode(TEXTS), whole[:, :8], atol=1e-5)
    plain = SentenceTransformer(str(tmp_path / "cut"), device="cpu")
    np.testing.assert_allclose(cut.encode(TEXTS), plain.encode(TEXTS), atol=1e-5)


def test_a_router_takes_the_way_of_the_role(tiny_teacher: Path, static_folder: Path) -> None:
    from sentence_transformers.sentence_transformer.modules import Normalize, Router

    teacher = load_sentence_transformer(tiny_teacher, device="cpu")
    generator = np.random.default_rng(1)
    static = load(static_folder)
    table = generator.standard_normal((static.tokenizer.get_vocab_size(), 32), dtype=np.float32)
    student = StaticEncoder(static.tokenizer, table).to_sentence_transformer()
    router = Router.for_query_document(query_modules=[student[0]], document_modules=list(teacher)[:2])
    encoder = as_encoder(SentenceTransformer(modules=[router, Normalize()], device="cpu"))
    text = ["where is the station"]
    np.testing.assert_allclose(encoder.encode(text, role=PromptRole.QUERY), student.encode(text), atol=1e-5)
    np.testing.assert_allclose(encoder.encode(text, role=PromptRole.PASSAGE), teacher.encode(text), atol=1e-5)


def test_what_is_no_encoder() -> None:
    with pytest.raises(UsageError, match=r"a int is no encoder: it has no encode\(texts\)"):
        as_encoder(3)

    class Flat:
        def encode(self, texts: list[str]) -> list[float]:
            return [0.0] * len(texts)

    with pytest.raises(UsageError, match=r"gave an array of shape \(1,\) for 1 texts"):
        ForeignEncoder(Flat()).encode("one")
    with pytest.raises(UsageError, match="a Lengths cannot be saved here"):
        as_encoder(Lengths()).save(Path("nowhere"))
    with pytest.raises(UsageError, match="a ForeignEncoder is no sentence-transformers model"):
        sentence_transformer_of(ForeignEncoder(Lengths()))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_vectors_on_a_gpu_are_those_of_the_processor(static_folder: Path, tiny_teacher: Path) -> None:
    for folder in (static_folder, tiny_teacher):
        ours, theirs = (load(folder, device=device, precision=Precision.FP32) for device in ("cpu", "cuda"))
        assert theirs.device.startswith("cuda")
        assert ours.fingerprint == theirs.fingerprint
        np.testing.assert_allclose(theirs.encode(TEXTS), ours.encode(TEXTS), atol=1e-4)


def kinds(model: Any) -> type:
    return type(as_encoder(model))


def test_the_fastest_encoder_of_a_model(static_folder: Path, tiny_teacher: Path) -> None:
    assert kinds(static_folder) is StaticEncoder
    assert kinds(str(tiny_teacher)) is TransformerEncoder
    assert kinds(load_sentence_transformer(tiny_teacher)) is TransformerEncoder
