"""Which tokens of two vocabularies stand for the same text, whatever algorithm each was trained with."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
from jaxtyping import Int
from numpy import ndarray
from tokenizers import Tokenizer, decoders

_WORD_START = "▁"
_INSIDE = "##"


def same_tokens(tokenizer: Tokenizer, other: Tokenizer) -> Int[ndarray, " vocabulary"]:
    """Return, for each token of a Unigram tokenizer, the id of the token that is the same text in another, or -1.

    A piece that starts a word is the same as a token that starts one, and a piece inside a word as one inside a word.
    Special tokens are the same where they are spelt the same. A cased vocabulary lends its lower-cased spellings too.

    Args:
        tokenizer: Of Unigram pieces, where a word starts with ``▁``.
        other: Unigram, WordPiece or byte-level BPE.

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
    """Yield each token as a Unigram piece would spell it, in the order of ids."""
    added = {token.content for token in tokenizer.get_added_tokens_decoder().values()}
    kind = json.loads(tokenizer.to_str())["model"]["type"]
    byte_level = decoders.ByteLevel()
    for token, number in sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1]):
        if token in added or kind == "Unigram":
            yield token, number
        elif kind == "WordPiece":
            yield (token.removeprefix(_INSIDE) if token.startswith(_INSIDE) else _WORD_START + token), number
        else:
            text = byte_level.decode([token])
            yield (_WORD_START + text[1:] if text.startswith(" ") else text), number
