"""Read a fast tokenizer as JSON, give it another vocabulary, and build it again.

The JSON of the tokenizers library names its special tokens by id in several places; here they are kept in step.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tokenizers import Tokenizer

from mling_embed.errors import DataError, UsageError
from mling_embed.files import room_on_disk

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from transformers import PreTrainedTokenizerBase

UNIGRAM, BPE, WORDPIECE = "Unigram", "BPE", "WordPiece"
_SCORE_DIGITS = 9
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")

TokenizerJson = dict[str, Any]


def read_state(tokenizer: PreTrainedTokenizerBase) -> TokenizerJson:
    """Return the JSON of a fast tokenizer, without the truncation and padding of its last call.

    Raises:
        UsageError: It is not a fast tokenizer, or of another kind than Unigram, BPE and WordPiece.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer):
        raise UsageError(f"{type(tokenizer).__name__} is not a fast tokenizer, whose vocabulary can be changed.")
    state: TokenizerJson = json.loads(backend.to_str())
    kind = state["model"].get("type")
    if kind not in (UNIGRAM, BPE, WORDPIECE):
        raise UsageError(f"a {kind} vocabulary cannot be changed; supported are {UNIGRAM}, {BPE} and {WORDPIECE}.")
    return state | {"truncation": None, "padding": None}


def backend_of(state: TokenizerJson) -> Tokenizer:
    """Return the tokenizer of a JSON."""
    return Tokenizer.from_str(json.dumps(state))


def plain_tokenizer(model: SentenceTransformer) -> Tokenizer:
    """Return a model's tokenizer without the truncation and padding of its last call."""
    return backend_of(read_state(model.tokenizer))


def model_tokens(state: TokenizerJson) -> list[str]:
    """Return the tokens that the algorithm itself knows, by ascending id; added tokens beyond them are left out."""
    vocabulary = state["model"]["vocab"]
    if state["model"]["type"] == UNIGRAM:
        return [piece for piece, _ in vocabulary]
    return sorted(vocabulary, key=vocabulary.__getitem__)


def token_ids(state: TokenizerJson) -> dict[str, int]:
    """Return the id of every token, added ones included."""
    vocabulary = state["model"]["vocab"]
    unigram = state["model"]["type"] == UNIGRAM
    ids = {piece: number for number, (piece, _) in enumerate(vocabulary)} if unigram else dict(vocabulary)
    return ids | {token["content"]: token["id"] for token in state["added_tokens"]}


def unigram_scores(state: TokenizerJson) -> dict[str, float]:
    """Return the score of each piece of a Unigram vocabulary: its natural log-probability."""
    return dict(state["model"]["vocab"])


def unknown_token(state: TokenizerJson) -> str | None:
    """Return the token that stands for what the algorithm does not know."""
    model = state["model"]
    if model["type"] == UNIGRAM:
        return None if model["unk_id"] is None else str(model["vocab"][model["unk_id"]][0])
    unknown: str | None = model.get("unk_token")
    return unknown


def placed_tokens(processor: TokenizerJson | None) -> set[str]:
    """Return the special tokens that a post-processor puts around a text."""
    match processor:
        case {"type": "Sequence", "processors": parts}:
            return set().union(*map(placed_tokens, parts))
        case {"type": "TemplateProcessing", "special_tokens": specials}:
            return {token for special in specials.values() for token in special["tokens"]}
        case {"cls": [cls, _], "sep": [sep, _]}:
            return {cls, sep}
    return set()


def is_byte(token: str) -> bool:
    """Say whether a token stands for one byte of a character without a token of its own: ``<0x41>``."""
    return _BYTE.fullmatch(token) is not None


def is_byte_level(state: TokenizerJson) -> bool:
    """Say whether a BPE works on bytes written as letters, as GPT-2's and RoBERTa's do."""
    return '"ByteLevel"' in json.dumps(state["pre_tokenizer"])


def merged(state: TokenizerJson) -> dict[tuple[str, str], str]:
    """Return the merges of a BPE, with what each makes, in their order."""
    prefix = state["model"].get("continuing_subword_prefix") or ""
    pairs = (tuple(merge.split(" ")) if isinstance(merge, str) else tuple(merge) for merge in state["model"]["merges"])
    return {(left, right): left + right.removeprefix(prefix) for left, right in pairs}


def wordpiece_path(word: str, vocabulary: Collection[str], prefix: str, *, inside: bool = False) -> list[str]:
    """Cut a word as WordPiece does, the longest piece first; ends early where no piece fits.

    >>> wordpiece_path("unhappy", {"un", "u", "##happy", "##h"}, "##")
    ['un', '##happy']

    Args:
        word: One word, normalised.
        vocabulary: The pieces.
        prefix: Mark of a piece that does not start a word.
        inside: The word is itself the rest of one.
    """
    path, start = [], 0
    while start < len(word):
        mark = prefix if start or inside else ""
        ends = (end for end in range(len(word), start, -1) if mark + word[start:end] in vocabulary)
        end = next(ends, None)
        if end is None:
            break
        path.append(mark + word[start:end])
        start = end
    return path


def with_model_tokens(
    state: TokenizerJson, tokens: Sequence[str], scores: Mapping[str, float] | None = None
) -> TokenizerJson:
    """Return a tokenizer's JSON with another vocabulary; special tokens keep their roles under their new ids.

    Args:
        state: The JSON.
        tokens: All tokens that the algorithm shall know; the place of each is its id. Added tokens that are not among
            them follow after.
        scores: Of those pieces of a Unigram that are new.
    """
    model = dict(state["model"])
    ids = {token: number for number, token in enumerate(tokens)}
    if model["type"] == UNIGRAM:
        known = unigram_scores(state) | dict(scores or {})
        unknown = unknown_token(state)
        model["vocab"] = [[token, known[token]] for token in tokens]
        model["unk_id"] = None if unknown is None else ids[unknown]
    else:
        model["vocab"] = dict(ids)
    if model["type"] == BPE:
        model["merges"] = [
            list(pair) for pair, product in merged(state).items() if product in ids and ids.keys() >= set(pair)
        ]
    added = []
    for token in sorted(state["added_tokens"], key=lambda token: int(token["id"])):
        added.append(token | {"id": ids.setdefault(token["content"], len(ids))})
    return state | {
        "model": model,
        "added_tokens": sorted(added, key=lambda token: int(token["id"])),
        "post_processor": _renumbered(state["post_processor"], ids),
    }


def _renumbered(processor: TokenizerJson | None, ids: Mapping[str, int]) -> TokenizerJson | None:
    if processor is None:
        return None
    match processor:
        case {"type": "Sequence", "processors": parts}:
            return processor | {"processors": [_renumbered(part, ids) for part in parts]}
        case {"type": "TemplateProcessing", "special_tokens": specials}:
            renumbered = {
                name: special | {"ids": [ids[token] for token in special["tokens"]]}
                for name, special in specials.items()
            }
            return processor | {"special_tokens": renumbered}
        case {"cls": [cls, _], "sep": [sep, _]}:
            return processor | {"cls": [cls, ids[cls]], "sep": [sep, ids[sep]]}
    return processor


def rebuilt(tokenizer: PreTrainedTokenizerBase, state: TokenizerJson) -> PreTrainedTokenizerBase:
    """Return a tokenizer like another one, with another JSON, such as it will be after being saved and loaded.

    It keeps the class where that class builds the same tokenizer from its files. Classes such as `XLMRobertaTokenizer`
    take only the vocabulary from there and make the rest anew; where that differs, the general class takes their place.

    Raises:
        DataError: No class gives the tokenizer of this JSON.
    """
    from transformers import PreTrainedTokenizerFast

    wanted = _comparable(backend_of(state))
    with TemporaryDirectory() as folder, room_on_disk(Path(folder)):
        tokenizer.save_pretrained(folder)
        (Path(folder) / "tokenizer.json").write_text(json.dumps(state, ensure_ascii=False), encoding="utf-8")
        for kind in (type(tokenizer), PreTrainedTokenizerFast):
            new: PreTrainedTokenizerBase = kind.from_pretrained(folder)
            if _comparable(new.backend_tokenizer) == wanted:
                new.name_or_path = tokenizer.name_or_path
                return new
    raise DataError(f"a {type(tokenizer).__name__} with the new vocabulary does not load as it was written.")


def _comparable(tokenizer: Tokenizer) -> TokenizerJson:
    """Return a tokenizer's JSON without the last digits of its scores, some of which change whenever it is read."""
    state: TokenizerJson = json.loads(tokenizer.to_str())
    if state["model"]["type"] == UNIGRAM:
        state["model"]["vocab"] = [[piece, round(score, _SCORE_DIGITS)] for piece, score in state["model"]["vocab"]]
    return state
