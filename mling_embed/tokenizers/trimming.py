"""Trim a model's vocabulary to a corpus: the tokens that it uses, and the rows of the token embedding that they need.

Every text of the corpus is cut into the same tokens as before. For that it is not enough to keep the tokens that come
out:

- WordPiece gives up on a word after pieces that do not come out; without them it might not give up.
- BPE builds a token by way of others.
- Unigram scores an unknown character by the lowest score in the vocabulary, so the piece that has it stays.

Texts outside of the corpus may be cut finer than before. So that they can still be written, the letters of all kept
tokens stay too, and so do bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from tokenizers import Tokenizer, pre_tokenizers

from mling_embed.errors import UsageError
from mling_embed.progress import Progress, silent
from mling_embed.tokenizers.tokenizer_json import (
    BPE,
    UNIGRAM,
    WORDPIECE,
    TokenizerJson,
    backend_of,
    is_byte,
    merged,
    model_tokens,
    placed_tokens,
    token_ids,
    unigram_scores,
    unknown_token,
    with_model_tokens,
    wordpiece_path,
)

if TYPE_CHECKING:
    pass

_TEXTS_AT_A_TIME = 8192


def trimmed_vocabulary(
    state: TokenizerJson,
    texts: Iterable[Sequence[str]],
    *,
    prompts: Sequence[str] = (),
    keep: Sequence[str] = (),
    min_count: int = 1,
    padding: int | None = None,
    progress: Progress = silent,
) -> TokenizerJson:
    """Return a tokenizer's JSON with the part of its vocabulary that texts use; special tokens keep their roles.

    Args:
        state: The JSON.
        texts: Texts, or lists of texts of any length.
        prompts: What is also put before each text.
        keep: Further tokens to keep, as the tokenizer writes them.
        min_count: Times that the texts must use a token for it to stay. Above 1, texts with rare tokens are cut finer.
        padding: Id that padding must not lose; `None` where any will do.
        progress: Receives the texts read.

    Raises:
        UsageError: A token of `keep` is not in the vocabulary.
    """
    ids = token_ids(state)
    missing = sorted(set(keep) - ids.keys())
    if missing:
        raise UsageError(f"cannot keep {missing[:5]}: not in the vocabulary of {len(ids)} tokens.")
    counts = _token_counts(state, texts, prompts=prompts, progress=progress)
    wanted = {token for token, count in counts.items() if count >= min_count}
    wanted |= set(keep) | _never_left_out(state) | _before_padding(ids, padding)
    kept = _closed(state, wanted)
    return with_model_tokens(state, [token for token in model_tokens(state) if token in kept])


def _in_lists(texts: Iterable[Sequence[str]]) -> Iterator[list[str]]:
    """Yield texts, given singly or in lists, in lists of one size."""
    single = (text for part in texts for text in ((part,) if isinstance(part, str) else part))
    while part := list(islice(single, _TEXTS_AT_A_TIME)):
        yield part


def _token_counts(
    state: TokenizerJson, texts: Iterable[Sequence[str]], *, prompts: Sequence[str], progress: Progress
) -> Counter[str]:
    """Count the tokens that texts are made of; those that WordPiece tries for words it gives up on count as well."""
    tokenizer, counts, done = backend_of(state), Counter[int](), 0
    unknown = tokenizer.token_to_id(unknown_token(state) or "")
    given_up: Counter[str] = Counter()
    for part in _in_lists(texts):
        for prompt in dict.fromkeys(["", *prompts]):
            prompted = [prompt + text for text in part]
            for text, encoding in zip(
                prompted, tokenizer.encode_batch_fast(prompted, add_special_tokens=False), strict=True
            ):
                counts.update(encoding.ids)
                if state["model"]["type"] == WORDPIECE and unknown in encoding.ids:
                    given_up.update(_words(tokenizer, text))
        done += len(part)
        progress("count tokens", done, None)
    progress("count tokens", done, done)
    total = Counter({token: counts[number] for token, number in token_ids(state).items() if number in counts})
    if given_up:
        vocabulary, prefix = state["model"]["vocab"], state["model"]["continuing_subword_prefix"]
        for word, count in given_up.items():
            for piece in wordpiece_path(word, vocabulary, prefix):
                total[piece] += count
    return total


def _words(tokenizer: Tokenizer, text: str) -> list[str]:
    """Return the words of a text as the algorithm gets them."""
    if tokenizer.normalizer is not None:
        text = tokenizer.normalizer.normalize_str(text)
    if tokenizer.pre_tokenizer is None:
        return [text]
    return [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text)]


def _never_left_out(state: TokenizerJson) -> set[str]:
    """Return special and added tokens, bytes, and of Unigram the piece with the lowest score."""
    tokens = {token["content"] for token in state["added_tokens"]} | placed_tokens(state["post_processor"])
    unknown = unknown_token(state)
    if unknown is not None:
        tokens.add(unknown)
    tokens.update(filter(is_byte, model_tokens(state)))
    if state["model"]["type"] == BPE:
        tokens.update(pre_tokenizers.ByteLevel.alphabet())
    if state["model"]["type"] == UNIGRAM:
        scores = unigram_scores(state)
        tokens.add(min(scores, key=scores.__getitem__))
    return tokens


def _before_padding(ids: dict[str, int], padding: int | None) -> set[str]:
    """Return the tokens up to padding if its id must not change."""
    return set() if padding is None else {token for token, number in ids.items() if number <= padding}


def _closed(state: TokenizerJson, wanted: set[str]) -> set[str]:
    """Return tokens with all that they need: their letters, and of BPE the parts that they are merged from."""
    model, special = state["model"], {token["content"] for token in state["added_tokens"]}
    known = set(model_tokens(state))
    prefix, suffix = model.get("continuing_subword_prefix") or "", model.get("end_of_word_suffix") or ""
    letters = {letter for token in wanted - special for letter in token}
    forms = {before + letter + after for letter in letters for before in ("", prefix) for after in ("", suffix)}
    closed = (wanted | forms) & known
    if model["type"] != BPE:
        return closed
    parts: dict[str, set[str]] = {}
    for pair, product in merged(state).items():
        parts.setdefault(product, set()).update(pair)
    unseen = list(closed)
    while unseen:
        fresh = parts.get(unseen.pop(), set()) & known - closed
        closed |= fresh
        unseen.extend(fresh)
    return closed
