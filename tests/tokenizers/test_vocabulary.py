"""The Unigram vocabulary: every text can be encoded, and the same texts give the same vocabulary."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, processors
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from mling_embed.errors import UsageError
from mling_embed.tokenizers.vocabulary import UNKNOWN, train_unigram, vocabulary_size, with_special_tokens

SYLLABLES = [
    "ka",
    "lo",
    "mi",
    "ter",
    "sun",
    "ban",
    "ge",
    "ri",
    "no",
    "ст",
    "во",
    "при",
    "日",
    "本",
    "語",
    "の",
    "é",
    "ß",
]
HOSTILE = [
    "👩‍👩‍👧‍👦 family",
    "مرحبا بالعالم",
    "a\x00b",
    "ⴰⵣⵓⵍ",
    "𓀀𓀁",
    "<0x41>",
    "q\u0301\u0323",
    "line\u2028and\rlone",
    "ﬁ ㎏ Ⅷ",
    "x" * 10_000,
    "�",
    "\U0010ffff",
]
TRAIN = f"""
import random
from mling_embed.tokenizers.vocabulary import train_unigram
def lines():
    chance = random.Random(0)
    words = ["".join(chance.choice({SYLLABLES!r}) for _ in range(chance.randint(1, 4))) for _ in range(1500)]
    for n in range(600):
        rare = chr(0x4e00 + n) if n % 9 == 0 else ""
        yield " ".join(chance.choice(words) for _ in range(chance.randint(4, 12))) + rare + chance.choice(".!?")
"""


def trained(size: int = 1024) -> Tokenizer:
    names: dict[str, object] = {}
    exec(TRAIN, names)
    return train_unigram(names["lines"](), size=size)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return trained()


def test_it_has_the_size_that_was_asked_for(tokenizer: Tokenizer) -> None:
    assert tokenizer.get_vocab_size() == 1024
    assert tokenizer.token_to_id(UNKNOWN) == 0
    assert tokenizer.token_to_id("<0x41>") == 1 + 0x41


def test_fewer_entries_come_out_where_the_texts_hold_fewer() -> None:
    small = train_unigram(["only a few words", "a few more"], size=5000)
    assert 257 < small.get_vocab_size() < 500


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_every_text_can_be_encoded(tokenizer: Tokenizer, text: str) -> None:
    encoding = tokenizer.encode(text, add_special_tokens=False)
    assert UNKNOWN not in encoding.tokens
    wanted = " ".join(unicodedata.normalize("NFKC", text).lower().split())
    assert "".join(tokenizer.decode(encoding.ids, skip_special_tokens=False).split()) == "".join(wanted.split())


def test_a_character_that_no_text_held_is_its_bytes(tokenizer: Tokenizer) -> None:
    tokens = tokenizer.encode("ⴰ", add_special_tokens=False).tokens
    assert tokens == ["▁", "<0xE2>", "<0xB4>", "<0xB0>"]
    assert "<0x00>" in tokenizer.encode("a\x00b", add_special_tokens=False).tokens


def test_a_byte_entry_is_not_matched_as_text(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("<0x41>", add_special_tokens=False).ids
    assert tokenizer.token_to_id("<0x41>") not in ids
    assert len(ids) > 5


def test_nothing_gives_no_tokens(tokenizer: Tokenizer) -> None:
    assert [tokenizer.encode(text, add_special_tokens=False).ids for text in ("", "  \t\n")] == [[], []]


def test_punctuation_and_digits_stand_alone() -> None:
    learned = train_unigram(["in 2024, it was 20.24!"] * 20, size=600)
    tokens = learned.encode("was 2024!", add_special_tokens=False).tokens
    assert [token.removeprefix("▁") for token in tokens][-5:] == list("2024!")


def test_case_is_merged_only_if_asked(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode("KaLo").ids == tokenizer.encode("kalo").ids
    cased = train_unigram(["Kalo kalo Kalo KALO"] * 20, size=600, lowercase=False)
    assert cased.encode("KALO").ids != cased.encode("kalo").ids


def test_training_is_deterministic_in_another_process_too(tokenizer: Tokenizer) -> None:
    code = f"{TRAIN}\nprint(train_unigram(lines(), size=1024).to_str())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, encoding="utf-8")
    digests = {hashlib.sha256(text.encode()).hexdigest() for text in (tokenizer.to_str(), trained().to_str())}
    assert digests == {hashlib.sha256(done.stdout.removesuffix("\n").encode()).hexdigest()}


def test_more_frequent_pieces_come_first(tokenizer: Tokenizer) -> None:
    pieces = json.loads(tokenizer.to_str())["model"]["vocab"][257:]
    assert [score for _, score in pieces] == sorted((score for _, score in pieces), reverse=True)


def test_the_order_of_the_texts_does_not_matter(tokenizer: Tokenizer) -> None:
    names: dict[str, object] = {}
    exec(TRAIN, names)
    lines = list(names["lines"]())
    random.Random(1).shuffle(lines)
    assert train_unigram(lines, size=1024).to_str() == tokenizer.to_str()


def test_too_small_a_vocabulary_is_refused() -> None:
    with pytest.raises(UsageError, match="a vocabulary of 511 entries is too small; expected at least 512"):
        train_unigram(["text"], size=511)


@pytest.mark.parametrize(("words", "size"), [(0, 8192), (40_000, 8192), (65_536, 16_384), (10**7, 196_608)])
def test_the_size_follows_the_words(words: int, size: int) -> None:
    assert vocabulary_size(words) == size


@pytest.fixture
def like(family: str, tiny_model: Callable[..., Any]) -> Any:
    """Return the tokenizer of a teacher of each family."""
    return tiny_model(family).tokenizer


def test_special_tokens_stand_where_the_teacher_has_them(tokenizer: Tokenizer, like: Any) -> None:
    made = with_special_tokens(tokenizer, like=like)
    around = like.convert_ids_to_tokens(like("")["input_ids"])
    assert len(around) == 2
    assert made.convert_ids_to_tokens(made("")["input_ids"]) == around
    first, *inner, last = made.convert_ids_to_tokens(made("Kalo miter.")["input_ids"])
    assert [first, last] == around
    assert inner == tokenizer.encode("kalo miter.", add_special_tokens=False).tokens
    batch = made(["kalo", "kalo miter geri"], padding=True)["input_ids"]
    assert len(batch[0]) == len(batch[1])
    assert batch[0][-1] == like.pad_token_id


def test_special_tokens_keep_their_roles(tokenizer: Tokenizer, like: Any) -> None:
    made = with_special_tokens(tokenizer, like=like)
    assert made.special_tokens_map == like.special_tokens_map
    assert made.pad_token_id == like.pad_token_id
    assert made.model_max_length == like.model_max_length == 48
    assert made.model_input_names == like.model_input_names
    specials = {UNKNOWN, *like.special_tokens_map.values()}
    assert set(made.get_vocab()) == set(tokenizer.get_vocab()) | specials
    state = json.loads(made.backend_tokenizer.to_str())
    assert state["model"]["vocab"][state["model"]["unk_id"]][0] == UNKNOWN
    assert {token["content"] for token in state["added_tokens"]} == specials
    assert sorted(made.get_vocab().values()) == list(range(len(made)))


def test_texts_are_cut_as_by_the_static_tokenizer(tokenizer: Tokenizer, like: Any) -> None:
    made = with_special_tokens(tokenizer, like=like).backend_tokenizer
    for text in [*HOSTILE, "", " \t", "ⴰ kalo", "KaLo sun, 2024!"]:
        tokens = made.encode(text, add_special_tokens=False).tokens
        assert tokens == tokenizer.encode(text, add_special_tokens=False).tokens
        assert UNKNOWN not in tokens
    assert made.encode("ⴰ", add_special_tokens=False).tokens == ["▁", "<0xE2>", "<0xB4>", "<0xB0>"]


def test_ids_stay_when_a_model_is_saved_and_loaded(
    tokenizer: Tokenizer,
    like: Any,
    family: str,
    model_around: Callable[[str, Any], Any],
    reloaded: Callable[[Any], Any],
) -> None:
    made = with_special_tokens(tokenizer, like=like)
    texts = [*HOSTILE, "", "Kalo miter."]
    expected = made(texts)["input_ids"]
    model = model_around(family, made)
    again = reloaded(model)
    assert again.tokenizer(texts)["input_ids"] == expected
    assert again.tokenizer.special_tokens_map == made.special_tokens_map
    assert again.max_seq_length == made.model_max_length
    vectors = again.encode(texts)
    assert np.isfinite(vectors).all()
    np.testing.assert_allclose(vectors, model.encode(texts), atol=1e-6)


@pytest.mark.parametrize(
    ("template", "before", "after"), [("$A </s>", [], ["</s>"]), ("<s> $A", ["<s>"], []), ("$A", [], [])]
)
def test_a_teacher_that_puts_tokens_on_one_side(
    tokenizer: Tokenizer, template: str, before: list[str], after: list[str]
) -> None:
    names = ["<pad>", "<s>", "</s>", "<unk>"]
    backend = Tokenizer(WordLevel({name: number for number, name in enumerate([*names, "a"])}, unk_token="<unk>"))
    backend.add_special_tokens(names)
    backend.post_processor = processors.TemplateProcessing(single=template, special_tokens=[("<s>", 1), ("</s>", 2)])
    roles = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    like = PreTrainedTokenizerFast(tokenizer_object=backend, padding_side="left", **roles)
    made = with_special_tokens(tokenizer, like=like)
    inner = tokenizer.encode("kalo", add_special_tokens=False).tokens
    assert made.convert_ids_to_tokens(made("kalo")["input_ids"]) == [*before, *inner, *after]
    assert (made.pad_token_id, made.padding_side) == (0, "left")
