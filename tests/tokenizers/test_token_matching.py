"""Tokens that are the same text: a word's start and its inside apart, whatever algorithm the other was trained with."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import BPE, Unigram, WordPiece

from mling_embed.tokenizers.token_matching import same_tokens

PIECES = ["[UNK]", "<0x41>", "▁", "▁the", "the", "▁station", "s", ".", "▁.", "▁日", "本", "é", "▁café", "�", "▁[CLS]"]


def unigram(pieces: list[str]) -> Tokenizer:
    return Tokenizer(Unigram([(piece, -1.0) for piece in pieces], unk_id=0))


def wordpiece(tokens: list[str], *, mark: str = "##", lowercase: bool = True) -> Tokenizer:
    vocabulary = {token: number for number, token in enumerate(tokens)}
    model = WordPiece(vocabulary, unk_token="[UNK]", continuing_subword_prefix=mark)  # type: ignore[call-arg]
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens([token for token in tokens if token.startswith("[")])
    return tokenizer


def byte_level(texts: list[str]) -> Tokenizer:
    """Make a tokenizer whose tokens are those texts and every byte, without merges: only its vocabulary is asked."""
    written = ["".join(part for part, _ in letters(text)) for text in texts]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = dict.fromkeys([*written, *alphabet])
    tokenizer = Tokenizer(BPE({token: number for number, token in enumerate(tokens)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def letters(text: str) -> list[tuple[str, tuple[int, int]]]:
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(text)


def twins(other: Tokenizer, pieces: list[str] = PIECES) -> dict[str, str]:
    """Return the pieces that have a twin, each with that."""
    found = same_tokens(unigram(pieces), other).tolist()
    return {piece: other.id_to_token(number) for piece, number in zip(pieces, found, strict=True) if number >= 0}


def test_wordpiece() -> None:
    other = wordpiece(["[UNK]", "[CLS]", "the", "##the", "##s", "station", "cafe", "##é", "##"])
    expected = {"[UNK]": "[UNK]", "▁the": "the", "the": "##the", "▁station": "station", "s": "##s", "é": "##é"}
    assert twins(other) == expected


def test_wordpiece_with_another_mark() -> None:
    assert twins(wordpiece(["[UNK]", "the", "@@s", "##s"], mark="@@")) == {"[UNK]": "[UNK]", "▁the": "the", "s": "@@s"}


def test_what_stands_alone_is_the_same_after_a_word() -> None:
    # "station." is cut into "station" and ".": "##." stands in no text.
    assert twins(wordpiece(["##.", "##本", ".", "本", "日", "##日"])) == {".": ".", "▁.": ".", "▁日": "日", "本": "本"}
    assert twins(wordpiece(["##."])) == {}


def test_byte_level() -> None:
    other = byte_level([" the", "the", " station", "s", " 日", "本", "é", " café"])
    expected = {"▁": "Ġ", "▁the": "Ġthe", "the": "the", "▁station": "Ġstation", "s": "s", ".": "."}
    assert twins(other) == expected | {"▁日": "ĠæĹ¥", "本": "æľ¬", "é": "Ã©", "▁café": "ĠcafÃ©"}


def test_part_of_a_character_is_no_twin() -> None:
    assert "�" not in twins(byte_level([]))
    assert "é" not in twins(byte_level([]))


def test_bpe_of_characters() -> None:
    vocabulary = {"▁the": 0, "é": 1, "Ġthe": 2, "the": 3}
    assert twins(Tokenizer(BPE(vocabulary, []))) == {"▁the": "▁the", "the": "the", "é": "é"}


def test_unigram() -> None:
    other = unigram(["<unk>", "▁the", "the", ".", "[UNK]", "<0x41>", "##s"])
    assert twins(other) == {token: token for token in ("[UNK]", "<0x41>", "▁the", "the", ".")}


def test_a_lower_cased_spelling_lends_where_there_is_no_other() -> None:
    other = wordpiece(["Paris", "PARIS", "US", "us", "##S"], lowercase=False)
    pieces = ["▁paris", "▁us", "s", "▁Paris"]
    assert twins(other, pieces) == {"▁paris": "Paris", "▁us": "us", "s": "##S", "▁Paris": "Paris"}
    assert twins(byte_level([" Straße"]), ["▁straße"]) == {"▁straße": "ĠStraÃŁe"}


def test_special_tokens_are_the_same_as_they_are_spelt() -> None:
    other = wordpiece(["[CLS]", "CLS", "[SEP]"])
    assert twins(other, ["[CLS]", "▁[CLS]", "▁[SEP]", "[PAD]"]) == {"[CLS]": "[CLS]"}


@pytest.mark.parametrize("size", [1, 3])
def test_there_is_a_number_for_each_piece(size: int) -> None:
    assert same_tokens(unigram(PIECES[:size]), wordpiece(["the"])).shape == (size,)
