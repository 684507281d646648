"""The encoder of a model: its fingerprint, its fitness to teach, its vectors, which are sentence-transformers' own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from mling_embed.encoders.batches import token_batches
from mling_embed.encoders.fitness import examine, require_cosine, truncated_share
from mling_embed.encoders.loading import load_sentence_transformer
from mling_embed.encoders.packaged_teacher import DEFAULT_TEACHER, packaged_teacher
from mling_embed.encoders.precision import Precision
from mling_embed.encoders.transformer import TransformerEncoder
from mling_embed.errors import DataError, UsageError

TEXTS = [
    "Where is the station?",
    "no",
    "",
    "   leading and trailing   ",
    "a\x00b",
    "line\u2028separator\rand\nbreaks",
    "Zoë naïve 你好 مرحبا 👩‍👩‍👧‍👦",
    "a very long sentence, over and over: " * 40,
    *(f"number {n} " * n for n in range(1, 9)),
]
needs_packaged = pytest.mark.skipif(packaged_teacher() is None, reason="the extra 'teacher' is not installed")


@pytest.fixture
def model(tiny_teacher: Path) -> SentenceTransformer:
    return load_sentence_transformer(tiny_teacher)


def fp32(model: SentenceTransformer, **options: object) -> TransformerEncoder:
    return TransformerEncoder(model, precision=Precision.FP32, **options)


def test_the_fingerprint_outlives_a_reload_and_use(model: SentenceTransformer, tiny_teacher: Path) -> None:
    before = fp32(model).fingerprint
    fp32(model).encode(TEXTS)
    truncated_share(fp32(model), TEXTS)
    model.encode(TEXTS[:2])
    assert fp32(model).fingerprint == before
    assert fp32(load_sentence_transformer(tiny_teacher)).fingerprint == before
    assert len(before) == 64


def test_the_fingerprint_outlives_a_move(tiny_teacher: Path, tmp_path: Path, model: SentenceTransformer) -> None:
    tiny_teacher.rename(tmp_path / "elsewhere")
    moved = fp32(load_sentence_transformer(tmp_path / "elsewhere")).fingerprint
    (tmp_path / "elsewhere").rename(tiny_teacher)
    assert moved == fp32(model).fingerprint


def test_the_fingerprint_changes_with_all_that_changes_vectors(model: SentenceTransformer) -> None:
    prints = [fp32(model).fingerprint, fp32(model, prompt="query: ").fingerprint]
    model.truncate_dim = 16
    prints.append(fp32(model).fingerprint)
    model.prompts = {"query": "query: "}
    prints.append(fp32(model).fingerprint)
    model.max_seq_length = 20
    prints.append(fp32(model).fingerprint)
    model[0].auto_model.config.num_attention_heads = 4  # the same weights, another network
    prints.append(fp32(model).fingerprint)
    with torch.no_grad():
        next(model.parameters())[7, 3] += 1e-3
    prints.append(fp32(model).fingerprint)
    model[1].include_prompt = False
    prints.append(fp32(model).fingerprint)
    assert len(set(prints)) == len(prints) == 8


def test_the_fingerprint_is_that_of_the_encoder_in_any_number_format(model: SentenceTransformer) -> None:
    assert TransformerEncoder(model, precision=Precision.BF16).fingerprint == fp32(model).fingerprint


def test_the_pooler_that_nothing_reads_is_no_part_of_the_fingerprint(model: SentenceTransformer) -> None:
    before = fp32(model).fingerprint
    with torch.no_grad():
        model[0].auto_model.pooler.dense.weight.add_(1)
    assert fp32(model).fingerprint == before


def test_a_scalar_weight_has_a_fingerprint(model: SentenceTransformer) -> None:
    before = fp32(model).fingerprint
    model.register_parameter("scale", torch.nn.Parameter(torch.tensor(2.0)))
    assert fp32(model).fingerprint != before


@pytest.mark.parametrize("tokens_per_batch", [1, 100, 65536])
def test_the_vectors_are_those_of_sentence_transformers(model: SentenceTransformer, tokens_per_batch: int) -> None:
    vectors = fp32(model, tokens_per_batch=tokens_per_batch).encode(TEXTS)
    assert (vectors.shape, vectors.dtype) == ((len(TEXTS), 32), np.float32)
    np.testing.assert_allclose(vectors, model.encode(TEXTS), atol=1e-5)


@pytest.mark.parametrize("include", [True, False])
def test_the_prompt_is_put_before_every_text(model: SentenceTransformer, include: bool) -> None:
    model[1].include_prompt = include
    vectors = fp32(model, prompt="query: ").encode(TEXTS)
    np.testing.assert_allclose(vectors, model.encode(TEXTS, prompt="query: "), atol=1e-5)
    assert np.abs(vectors - model.encode(TEXTS)).max() > 0.01


def test_the_models_own_prompt_is_the_default(model: SentenceTransformer) -> None:
    model.prompts, model.default_prompt_name = {"query": "query: "}, "query"
    assert fp32(model).prompt == "query: "
    assert fp32(model, prompt="").prompt == ""


def test_no_texts_give_no_rows(model: SentenceTransformer) -> None:
    assert fp32(model).encode([]).shape == (0, 32)


@needs_packaged
def test_the_default_teacher() -> None:
    model = load_sentence_transformer(DEFAULT_TEACHER)
    teacher = TransformerEncoder(model, precision=Precision.FP32)
    texts = [*TEXTS[:7], "cut off " * 130]
    np.testing.assert_allclose(teacher.encode(texts), model.encode(texts), atol=1e-5)
    facts = examine(TransformerEncoder(model, precision=Precision.BF16))
    assert (facts.dim, facts.unit_norm, facts.max_seq_length) == (384, True, 256)
    assert facts.bf16_parity is not None
    assert 0.999 < facts.bf16_parity < 1


def test_facts(model: SentenceTransformer) -> None:
    facts = examine(fp32(model))
    assert (facts.dim, facts.unit_norm, facts.max_seq_length) == (32, True, 48)
    assert (facts.precision, facts.bf16_parity) == ("fp32", None)


def test_the_bf16_parity_is_the_smallest_cosine(model: SentenceTransformer) -> None:
    from mling_embed.encoders.fitness import _PROBE

    rough, exact = TransformerEncoder(model, precision=Precision.BF16), fp32(model)
    a, b = rough.encode(_PROBE), exact.encode(_PROBE)
    smallest = min(float(x @ y / np.linalg.norm(x) / np.linalg.norm(y)) for x, y in zip(a, b, strict=True))
    assert examine(rough).bf16_parity == pytest.approx(smallest, abs=1e-6)
    assert smallest > 0.999
    assert 1e-5 < np.abs(a - b).max() < 0.01
    assert examine(rough).unit_norm


def test_auto_takes_what_the_hardware_has(model: SentenceTransformer, monkeypatch: pytest.MonkeyPatch) -> None:
    for native, expected in ((True, Precision.BF16), (False, Precision.FP32)):
        monkeypatch.setattr("mling_embed.encoders.precision.native_bf16", lambda _device, native=native: native)
        assert TransformerEncoder(model).precision is expected


def test_vectors_of_any_length_are_seen(model: SentenceTransformer) -> None:
    del model[2]
    assert not examine(fp32(model)).unit_norm


def test_a_dot_product_teacher_is_refused(model: SentenceTransformer) -> None:
    model.similarity_fn_name = "dot"
    require_cosine(fp32(model), examine(fp32(model)))  # unit norm: the dot product is the cosine
    del model[2]
    with pytest.raises(UsageError, match=r"trained for the dot product.*cosine twin"):
        require_cosine(fp32(model), examine(fp32(model)))
    model.similarity_fn_name = "cosine"
    require_cosine(fp32(model), examine(fp32(model)))


@pytest.mark.parametrize("value", [float("nan"), 0.0])
def test_a_broken_teacher_is_refused(model: SentenceTransformer, value: float) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(value)
    with pytest.raises(DataError, match="not finite, or all the same"):
        _ = examine(fp32(model))


def test_the_truncated_share_counts_what_is_cut_off(model: SentenceTransformer) -> None:
    fits, cut = " ".join("a" * 46), " ".join("a" * 47)  # 48 tokens with [CLS] and [SEP], and 49
    assert truncated_share(fp32(model), [fits]) == 0
    assert truncated_share(fp32(model), [fits, cut, "short", cut]) == 0.5
    assert truncated_share(fp32(model), []) == 0
    np.testing.assert_allclose(fp32(model).encode([cut]), fp32(model).encode([fits]), atol=1e-6)


def test_a_static_teacher_is_run_by_sentence_transformers() -> None:
    tokenizer = Tokenizer(WordLevel({"[UNK]": 0, "a": 1, "man": 2, "no": 3}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    model = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=np.eye(4, dtype=np.float32))])
    teacher = fp32(model)
    np.testing.assert_array_equal(teacher.encode(["a man"]), [[0, 0.5, 0.5, 0]])
    assert examine(teacher).max_seq_length is None
    assert truncated_share(teacher, ["a man"]) == 0
    assert teacher.fingerprint != fp32(model, prompt="no ").fingerprint


@given(st.lists(st.integers(0, 300), max_size=80), st.integers(1, 1000))
def test_batches_cover_every_row_once_within_the_budget(lengths: list[int], budget: int) -> None:
    array = np.asarray(lengths, dtype=np.int64)
    batches = list(token_batches(array, budget))
    assert sorted(row for rows in batches for row in rows) == list(range(len(lengths)))
    assert all(len(rows) == 1 or len(rows) * array[rows].max() <= budget for rows in batches)
    longest_first = [int(array[row]) for rows in batches for row in rows]
    assert longest_first == sorted(lengths, reverse=True)
