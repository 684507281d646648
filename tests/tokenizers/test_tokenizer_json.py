"""The JSON of fast tokenizers: ids in step everywhere, classes kept or replaced, other kinds refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tokenizers import Tokenizer, pre_tokenizers, processors
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from mling_embed.errors import UsageError
from mling_embed.tokenizers.tokenizer_json import (
    is_byte,
    model_tokens,
    placed_tokens,
    read_state,
    rebuilt,
    token_ids,
    with_model_tokens,
    wordpiece_path,
)


def test_a_vocabulary_put_back_is_the_same_tokenizer(vocabulary_family: str, tiny_model: Callable[..., Any]) -> None:
    tokenizer = tiny_model(vocabulary_family, 2).tokenizer
    state = read_state(tokenizer)
    same = with_model_tokens(state, model_tokens(state))
    assert same == state
    again = rebuilt(tokenizer, same)
    assert type(again) is type(tokenizer)
    assert (again.get_vocab(), again.special_tokens_map) == (tokenizer.get_vocab(), tokenizer.special_tokens_map)
    assert (again.model_max_length, again.padding_side) == (tokenizer.model_max_length, tokenizer.padding_side)
    assert token_ids(state) == tokenizer.get_vocab()


def test_special_ids_are_in_step_within_a_sequence_of_processors(tiny_model: Callable[..., Any]) -> None:
    tokenizer = tiny_model("modernbert", 2).tokenizer
    around = tokenizer.backend_tokenizer.post_processor
    tokenizer.backend_tokenizer.post_processor = processors.Sequence([processors.ByteLevel(), around])
    state = read_state(tokenizer)
    assert placed_tokens(state["post_processor"]) == {"[CLS]", "[SEP]"}
    new = rebuilt(tokenizer, with_model_tokens(state, model_tokens(state)[:300]))
    assert new.tokenize("a", add_special_tokens=True) == ["[CLS]", "a", "[SEP]"]
    assert new("a")["input_ids"] == new.convert_tokens_to_ids(["[CLS]", "a", "[SEP]"])
    assert new("a")["input_ids"] != tokenizer("a")["input_ids"]


def test_special_ids_are_in_step_in_robertas_processor(tiny_model: Callable[..., Any]) -> None:
    state = read_state(tiny_model("roberta", 2).tokenizer)
    new = with_model_tokens(state, model_tokens(state)[::-1])
    ids, processor = token_ids(new), new["post_processor"]
    assert (processor["cls"], processor["sep"]) == (["<s>", ids["<s>"]], ["</s>", ids["</s>"]])
    assert ids["<s>"] == len(ids) - 1
    assert placed_tokens(processor) == {"<s>", "</s>"}


def test_a_class_that_would_build_another_tokenizer_gives_way(tiny_model: Callable[..., Any]) -> None:
    tokenizer = tiny_model("xlm-roberta", 2).tokenizer
    state = read_state(tokenizer)
    state["pre_tokenizer"]["pretokenizers"].append({"type": "Punctuation", "behavior": "Isolated"})
    new = rebuilt(tokenizer, state)  # XLMRobertaTokenizer makes its own pre-tokenizer, whatever the file says
    assert type(new) is PreTrainedTokenizerFast
    assert read_state(new)["pre_tokenizer"] == state["pre_tokenizer"]
    assert new.special_tokens_map == tokenizer.special_tokens_map


def test_other_kinds_are_refused() -> None:
    words = Tokenizer(WordLevel({"a": 0}, unk_token="a"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    with pytest.raises(UsageError, match="a WordLevel vocabulary cannot be changed; supported are Unigram, BPE and Wo"):
        read_state(PreTrainedTokenizerFast(tokenizer_object=words))


def test_a_word_is_cut_from_the_left_the_longest_piece_first() -> None:
    vocabulary = {"a", "ab", "##c", "##cd", "##e"}
    assert wordpiece_path("abcde", vocabulary, "##") == ["ab", "##cd", "##e"]
    assert wordpiece_path("abx", vocabulary, "##") == ["ab"]
    assert wordpiece_path("ce", vocabulary, "##", inside=True) == ["##c", "##e"]
    assert wordpiece_path("", vocabulary, "##") == []


def test_a_byte_is_written_in_hexadecimal() -> None:
    assert [is_byte(token) for token in ("<0x0A>", "<0xFF>", "<0xff>", "<0x0A>b", "0x0A", "<s>")] == [
        True,
        True,
        *[False] * 4,
    ]
