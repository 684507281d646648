"""A multilingual vocabulary in a teacher's transformer: rows copied, rows built, everything else as it was."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from mling_embed.encoders.anatomy import encoder_of, token_embedding
from mling_embed.encoders.precision import Precision
from mling_embed.encoders.static import StaticEncoder
from mling_embed.encoders.transformer import TransformerEncoder
from mling_embed.errors import DataError
from mling_embed.students.transplant import transplant
from mling_embed.tokenizers.token_matching import same_tokens
from mling_embed.tokenizers.vocabulary import train_unigram

NEIGHBORS, TEMPERATURE = 4, 0.1


@cache
def vocabulary(texts: tuple[str, ...]) -> Tokenizer:
    """Train a vocabulary and add the texts' words, for which so little text has no pieces."""
    state = json.loads(train_unigram(texts, size=600).to_str())
    pieces = {piece for piece, _ in state["model"]["vocab"]}
    words = {f"▁{word}" for text in texts for word in re.findall(r"[^\W\d_]+", text.lower())}
    state["model"]["vocab"] += [[word, -1.0] for word in sorted(words - pieces)]
    return Tokenizer.from_str(json.dumps(state))


@pytest.fixture
def static(sentences: dict[str, list[str]]) -> StaticEncoder:
    tokenizer = vocabulary((*sentences["english"], *sentences["german"], *sentences["russian"]))
    random = np.random.default_rng(0)
    return StaticEncoder(tokenizer, random.standard_normal((tokenizer.get_vocab_size(), 16), dtype=np.float32))


@pytest.fixture
def english(sentences: dict[str, list[str]]) -> list[str]:
    return sentences["english"] * 3


def backend(tokenizer: Any) -> Tokenizer:
    return Tokenizer.from_str(json.dumps(json.loads(tokenizer.backend_tokenizer.to_str()) | {"padding": None}))


def copied_rows(student: Any, teacher: Any, english: list[str]) -> dict[int, int]:
    """Return the student's tokens that are the teacher's too, special ones and those that English holds three times."""
    counts = Counter(token for text in english for token in backend(teacher.tokenizer).encode(text).ids)
    special = set(student.tokenizer.all_special_ids)
    found = enumerate(same_tokens(student.tokenizer.backend_tokenizer, teacher.tokenizer.backend_tokenizer).tolist())
    return {new: old for new, old in found if old >= 0 and (new in special or counts[old] >= 3)}


def tables(student: Any, teacher: Any) -> tuple[np.ndarray, np.ndarray]:
    new, old = (token_embedding(model).weight.detach().numpy() for model in (student, teacher))
    return new, old


def test_known_tokens_keep_their_rows_and_new_ones_are_means(
    family: str, tiny_model: Callable[..., Any], static: StaticEncoder, english: list[str]
) -> None:
    teacher = tiny_model(family)
    student = transplant(teacher, static, english, neighbors=NEIGHBORS, temperature=TEMPERATURE)
    new, old = tables(student, teacher)
    copied = copied_rows(student, teacher, english)
    assert 30 < len(copied) < len(new) - 100
    for number, twin in copied.items():
        np.testing.assert_array_equal(new[number], old[twin])
    assert len(new) == len(student.tokenizer) == encoder_of(student).config.vocab_size

    ids, places = student.tokenizer.get_vocab(), static.tokenizer.get_vocab()
    directions = static.table.numpy() / np.linalg.norm(static.table.numpy(), axis=1, keepdims=True)
    anchors = [(places[token], copied[ids[token]]) for token in places if ids[token] in copied]
    for token, place in places.items():
        if ids[token] in copied:
            continue
        cosines = np.array([directions[place] @ directions[anchor] for anchor, _ in anchors])
        nearest = np.argsort(-cosines)[:NEIGHBORS]
        weights = np.exp(cosines[nearest] / TEMPERATURE)
        expected = (weights / weights.sum()) @ old[[anchors[number][1] for number in nearest]]
        np.testing.assert_allclose(new[ids[token]], expected, atol=1e-5)


def test_special_tokens_are_carried_over(
    family: str, tiny_model: Callable[..., Any], static: StaticEncoder, english: list[str]
) -> None:
    teacher = tiny_model(family)
    student = transplant(teacher, static, english)
    new, old = tables(student, teacher)
    for token in teacher.tokenizer.special_tokens_map.values():
        row = student.tokenizer.convert_tokens_to_ids(token)
        np.testing.assert_array_equal(new[row], old[teacher.tokenizer.convert_tokens_to_ids(token)])
    assert encoder_of(student).config.pad_token_id == student.tokenizer.pad_token_id
    assert token_embedding(student).padding_idx == student.tokenizer.pad_token_id


def test_the_saved_folder_loads_plainly_and_the_teacher_stays(
    family: str,
    tiny_model: Callable[..., Any],
    static: StaticEncoder,
    english: list[str],
    sentences: dict[str, list[str]],
    reloaded: Callable[[Any], Any],
) -> None:
    texts = [*sentences["english"], *sentences["german"], *sentences["russian"], *sentences["hostile"]]
    teacher = tiny_model(family)
    before, size = teacher.encode(texts), len(teacher.tokenizer)
    student = transplant(teacher, static, english)
    vectors = student.encode(texts)
    np.testing.assert_allclose(reloaded(student).encode(texts), vectors, atol=1e-6)
    assert np.isfinite(vectors).all()
    assert student.max_seq_length == teacher.max_seq_length
    with torch.no_grad():
        for weight in student.parameters():
            weight.zero_()
    np.testing.assert_array_equal(teacher.encode(texts), before)
    assert len(teacher.tokenizer) == size


def test_english_that_both_cut_alike_has_the_teachers_vectors(
    family: str, tiny_model: Callable[..., Any], static: StaticEncoder, english: list[str]
) -> None:
    teacher = tiny_model(family)
    student = transplant(teacher, static, english)
    known = {student.tokenizer.convert_ids_to_tokens(number) for number in copied_rows(student, teacher, english)}
    cut = backend(teacher.tokenizer)
    words = sorted({word for text in english for word in text.split() if word.isalpha() and word.islower()})
    alike = [w for w in words if f"▁{w}" in known and len(cut.encode(f" {w}", add_special_tokens=False).ids) == 1]
    alike = [w for w in alike if static.tokenizer.encode(w, add_special_tokens=False).tokens == [f"▁{w}"]]
    assert len(alike) >= 3
    texts = [" " + " ".join(alike[start : start + 3]) for start in range(len(alike) - 2)]  # as inside of a sentence
    vectors = [TransformerEncoder(model, precision=Precision.FP32).encode(texts) for model in (student, teacher)]
    np.testing.assert_allclose(*vectors, atol=1e-5)


def test_what_closes_a_sentence_is_the_teachers(
    tiny_model: Callable[..., Any], static: StaticEncoder, english: list[str]
) -> None:
    teacher = tiny_model("bert")
    student = transplant(teacher, static, english)
    new, old = tables(student, teacher)
    ids, known = student.tokenizer.get_vocab(), teacher.tokenizer.get_vocab()
    assert student.tokenizer.tokenize("market.")[-1] == "."
    np.testing.assert_array_equal(new[ids["."]], old[known["."]])


def test_what_the_teachers_last_call_did_does_not_count(
    tiny_model: Callable[..., Any], static: StaticEncoder, english: list[str]
) -> None:
    teacher = tiny_model("bert")
    expected = tables(transplant(teacher, static, english), teacher)[0]
    teacher.tokenizer(["the station"] * 2, truncation=True, max_length=3, padding="max_length")
    np.testing.assert_array_equal(tables(transplant(teacher, static, english), teacher)[0], expected)


def test_one_neighbor_is_copied(tiny_model: Callable[..., Any], static: StaticEncoder, english: list[str]) -> None:
    teacher = tiny_model("mpnet")
    new, old = tables(transplant(teacher, static, english, neighbors=1), teacher)
    assert {row.tobytes() for row in new} <= {row.tobytes() for row in old}


def test_a_token_without_a_vector_is_no_anchor(
    tiny_model: Callable[..., Any], static: StaticEncoder, english: list[str]
) -> None:
    teacher = tiny_model("bert")
    ids = static.tokenizer.get_vocab()
    static.table[ids["▁the"]] = 0.0
    static.table[ids["▁вокзал"]] = 0.0
    student = transplant(teacher, static, english, neighbors=1)
    new, old = tables(student, teacher)
    the = old[teacher.tokenizer.convert_tokens_to_ids("the")]
    same = np.flatnonzero((new == the).all(axis=1))
    assert same.tolist() == [student.tokenizer.convert_tokens_to_ids("▁the")]
    assert np.isfinite(new).all()


def test_too_few_shared_tokens(tiny_model: Callable[..., Any], static: StaticEncoder) -> None:
    with pytest.raises(DataError, match=r"share \d tokens; expected at least 8\.(.|\n)*holds English sentences"):
        transplant(tiny_model("xlm-roberta"), static, ["the station"])
