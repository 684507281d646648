"""Which tokens of two vocabularies stand for the same text, whatever algorithm each was trained with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from operator import itemgetter

import numpy as np
from jaxtyping import Int
from numpy import ndarray
from tokenizers import Tokenizer, decoders

from mling_embed.tokenizers.tokenizer_json import WORDPIECE, TokenizerJson, is_byte_level

_WORD_START = "▁"
_BROKEN = "\N{REPLACEMENT CHARACTER}"


def same_tokens(tokenizer: Tokenizer, other: Tokenizer) -> Int[ndarray, " vocabulary"]:
    """Return, for each token of a Unigram tokenizer, the id of the token that is the same text in another, or -1.

    A piece that starts a word is the same as a token that starts one, and a piece inside a word as one inside a word;
    punctuation that the other always cuts off is the same in both places.
    Special tokens are the same where they are spelt the same. A cased vocabulary lends its lower-cased spellings too.

    Args:
        tokenizer: Of Unigram pieces, where a word starts with ``▁``.
        other: Unigram, WordPiece or BPE.

    Returns:
        Shape: (vocabulary,).
    """
    known: dict[str, int] = {}
    lowered: dict[str, int] = {}
    for text, number in _surfaces(other):
        known.setdefault(text, number)
        lowered.setdefault(text.lower(), number)
    ids = np.full(tokenizer.get_vocab_size(), -1, dtype=np.int64)
    for token, number in tokenizer.get_vocab().items():
        ids[number] = known.get(token, lowered.get(token, -1))
    return ids


def _surfaces(tokenizer: Tokenizer) -> Iterator[tuple[str, int]]:
    """Yield each token as Unigram pieces would spell it, in the order of ids, leaving out those that no text holds."""
    state: TokenizerJson = json.loads(tokenizer.to_str())
    special = {token["content"] for token in state["added_tokens"]}
    kind, byte_level = state["model"]["type"], is_byte_level(state)
    mark = state["model"].get("continuing_subword_prefix") or ""
    for token, number in sorted(tokenizer.get_vocab().items(), key=itemgetter(1)):
        if token in special:
            yield token, number
        elif kind == WORDPIECE:
            inside = token.startswith(mark)
            text = token.removeprefix(mark)
            alone = _stands_alone(tokenizer, text)
            if not inside:
                yield _WORD_START + text, number
            if inside != alone:  # punctuation is a word by itself, even right after another one
                yield text, number
        elif byte_level:
            text = decoders.ByteLevel().decode([token])
            if _BROKEN not in text:  # part of a character
                yield (_WORD_START + text[1:] if text.startswith(" ") else text), number
        else:
            yield token, number


def _stands_alone(tokenizer: Tokenizer, text: str) -> bool:
    """Say whether a tokenizer cuts a character out of every word that it stands in."""
    if len(text) != 1:
        return False
    word = f"a{text}a"
    if tokenizer.normalizer is not None:
        word = tokenizer.normalizer.normalize_str(word)
    return tokenizer.pre_tokenizer is not None and len(tokenizer.pre_tokenizer.pre_tokenize_str(word)) > 1
