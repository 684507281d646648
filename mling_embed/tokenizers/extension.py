"""Add tokens to a vocabulary, for a language that it cuts too finely or not at all.

What a new token is depends on the algorithm:

- Unigram: a piece with a score, in competition with the old ones. Old languages' texts may be cut otherwise where it
  wins; `changed_share` says how many, and forgetting starts with them.
- WordPiece: an entry of the vocabulary, which wins where it is the longest. The same holds.
- BPE: an added token, matched as a whole word before the algorithm runs, because a merge would need a rank among the
  old ones. It takes the space before it, as the algorithm's own word-initial tokens do.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import Tokenizer

from mling_embed.errors import UsageError, report_together
from mling_embed.tokenizers.token_bags import TokenBags
from mling_embed.tokenizers.tokenizer_json import (
    BPE,
    UNIGRAM,
    WORDPIECE,
    TokenizerJson,
    backend_of,
    is_byte,
    is_byte_level,
    model_tokens,
    read_state,
    token_ids,
    unigram_scores,
    unknown_token,
    with_model_tokens,
    wordpiece_path,
)
from mling_embed.tokenizers.vocabulary import UNKNOWN, train_unigram

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_WORD_START = "▁"
_WINS_BY = 0.1  # natural log: what a piece without a score of its own has over its parts
_MOST_PROBLEMS = 10


@dataclass(frozen=True, slots=True)
class ExtendedVocabulary:
    """A vocabulary with further tokens.

    Attributes:
        state: The tokenizer's JSON.
        parts: For each new token the old ids that it was cut into, without the one that stands for the unknown.
    """

    state: TokenizerJson
    parts: list[list[int]]


def extended_vocabulary(
    state: TokenizerJson, new_tokens: Sequence[str], *, scores: Sequence[float] | None = None
) -> ExtendedVocabulary:
    """Return a tokenizer's JSON with further tokens.

    Args:
        state: The JSON.
        new_tokens: As the tokenizer writes them: ``▁habari`` (Unigram), ``habari``, ``##ri`` (WordPiece), words (BPE).
        scores: Natural log-probabilities of Unigram pieces, as `new_pieces` gives them. Without them a piece scores
            just above its parts, so that it replaces them and nothing else.

    Raises:
        UsageError: A token is there already, is no token, or scores do not fit.
    """
    _check(state, new_tokens, scores)
    if not new_tokens:
        return ExtendedVocabulary(state, [])
    parts = _parts(state, new_tokens)
    if state["model"]["type"] == BPE:
        new = with_model_tokens(_with_added(state, new_tokens), model_tokens(state))
    else:
        chosen = scores if scores is not None else _scores(state, parts)
        new = with_model_tokens(state, [*model_tokens(state), *new_tokens], dict(zip(new_tokens, chosen, strict=True)))
    return ExtendedVocabulary(new, _known(state, parts))


def new_pieces(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], *, size: int, share: float = 0.1
) -> list[tuple[str, float]]:
    """Find the pieces that a Unigram vocabulary lacks for a new language, by training one on its text alone.

    Scores are natural log-probabilities, in the old vocabulary as in the new language's own. Had the old one been
    trained with this language as `share` of its text, a piece that only this language has would have its own
    log-probability plus log(share): this puts it on the old scale. No score is below the lowest old one, by which
    unknown characters are scored. Pieces that never win against the old ones are left out.

    Args:
        tokenizer: The old tokenizer, Unigram.
        texts: Sentences of the new language.
        size: Entries of the new language's own vocabulary, 257 for bytes included; fewer come out.
        share: Share of the new language in the text of all; a larger one lets new pieces win more often.

    Returns:
        Pieces with their scores, the most probable first: `new_tokens` and `scores` of `extend_vocabulary`.

    Raises:
        UsageError: The vocabulary is of another kind, or size or share are out of range.
    """
    state = read_state(tokenizer)
    if state["model"]["type"] != UNIGRAM:
        raise UsageError(f"pieces are found for a {UNIGRAM} vocabulary; this one is {state['model']['type']}.")
    if not 0 < share < 1:
        raise UsageError(f"the share of the new language is {share}; expected a number between 0 and 1.")
    trained = train_unigram(texts, size=size, lowercase=_lowercases(backend_of(state)))
    old, lowest = token_ids(state), min(unigram_scores(state).values())
    pieces = {
        piece: max(score + math.log(share), lowest)
        for piece, score in json.loads(trained.to_str())["model"]["vocab"]
        if piece not in old and piece != UNKNOWN and not is_byte(piece)
    }
    joint = backend_of(with_model_tokens(state, [*model_tokens(state), *pieces], pieces))
    used = set(np.unique(TokenBags.of(joint, [texts]).ids).tolist())
    winners = [(piece, score) for piece, score in pieces.items() if joint.token_to_id(piece) in used]
    return sorted(winners, key=lambda entry: (-entry[1], entry[0]))


def changed_share(before: PreTrainedTokenizerBase, after: PreTrainedTokenizerBase, texts: Sequence[str]) -> float:
    """Return the share of texts that two tokenizers cut into other tokens; for old languages, where forgetting starts.

    Args:
        before: The model's tokenizer before, as `model.tokenizer` gave it.
        after: And after.
        texts: Texts of a language that the model knew before.
    """
    if not texts:
        return 0.0
    old, new = backend_of(read_state(before)), backend_of(read_state(after))
    pairs = zip(old.encode_batch(list(texts)), new.encode_batch(list(texts)), strict=True)
    return sum(one.tokens != other.tokens for one, other in pairs) / len(texts)


def _check(
    state: TokenizerJson,
    tokens: Sequence[str],
    scores: Sequence[float] | None,
) -> None:
    known, normalizer, kind = token_ids(state), backend_of(state).normalizer, state["model"]["type"]
    mark = {UNIGRAM: _WORD_START, WORDPIECE: state["model"].get("continuing_subword_prefix")}.get(kind) or ""
    problems = []
    for token in tokens:
        text = token.removeprefix(mark)
        normal = text if normalizer is None else normalizer.normalize_str(text).replace(" ", _WORD_START)
        if token in known:
            problems.append(f"{token!r} is in the vocabulary already.")
        elif not text or any(letter.isspace() for letter in text):
            problems.append(f"{token!r} is no token: expected text without spaces.")
        elif kind != BPE and normal.removeprefix(mark) != text:
            problems.append(f"{token!r} never occurs: the tokenizer makes it {normal!r} before it looks for tokens.")
    if len(set(tokens)) < len(tokens):
        problems.append("a token is given twice.")
    if scores is not None and kind != UNIGRAM:
        problems.append(f"scores are given, and a {kind} vocabulary has none.")
    if scores is not None and len(scores) != len(tokens):
        problems.append(f"{len(scores)} scores are given for {len(tokens)} tokens.")
    report_together(problems[:_MOST_PROBLEMS], heading="the vocabulary cannot be extended:")


def _parts(state: TokenizerJson, tokens: Sequence[str]) -> list[list[int]]:
    """Return the ids of the pieces that a tokenizer cuts each token into."""
    tokenizer, model = backend_of(state), state["model"]
    if model["type"] == UNIGRAM:
        return [[piece.id for piece in tokenizer.model.tokenize(token)] for token in tokens]
    if model["type"] == BPE:
        space = " " if is_byte_level(state) else ""
        return [tokenizer.encode(space + token, add_special_tokens=False).ids for token in tokens]
    prefix, vocabulary = model["continuing_subword_prefix"], model["vocab"]
    paths = (
        wordpiece_path(token.removeprefix(prefix), vocabulary, prefix, inside=token.startswith(prefix))
        for token in tokens
    )
    return [[vocabulary[piece] for piece in path] for path in paths]


def _known(state: TokenizerJson, parts: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return the parts of each token without the one that stands for the unknown."""
    unknown = token_ids(state).get(unknown_token(state) or "")
    return [[number for number in part if number != unknown] for part in parts]


def _scores(state: TokenizerJson, parts: Sequence[Sequence[int]]) -> list[float]:
    """Score each piece just above the sum of its parts' scores, and not below the lowest.

    Unknown characters and bytes score less than the lowest piece, whatever stands beside them in the vocabulary.
    """
    if state["model"]["type"] != UNIGRAM:
        return [0.0] * len(parts)
    vocabulary, unknown = state["model"]["vocab"], unknown_token(state)
    lowest = min(score for _, score in vocabulary)
    worth = [lowest if piece == unknown or is_byte(piece) else score for piece, score in vocabulary]
    return [max(lowest, sum(worth[number] for number in part) + _WINS_BY) for part in parts]


def _with_added(state: TokenizerJson, tokens: Sequence[str]) -> TokenizerJson:
    """Return a tokenizer's JSON with further added tokens, each a whole word."""
    first = max(token_ids(state).values()) + 1
    flags = {"single_word": True, "lstrip": is_byte_level(state), "rstrip": False, "normalized": True, "special": False}
    added = [{"id": first + number, "content": token, **flags} for number, token in enumerate(tokens)]
    return state | {"added_tokens": [*state["added_tokens"], *added]}


def _lowercases(tokenizer: Tokenizer) -> bool:
    return tokenizer.normalizer is not None and tokenizer.normalizer.normalize_str("A") == "a"
