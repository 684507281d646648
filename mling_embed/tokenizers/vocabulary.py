"""Train the multilingual Unigram vocabulary of a static student."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tokenizers import Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import Unigram
from tokenizers.trainers import UnigramTrainer

from mling_embed.errors import UsageError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

logger = logging.getLogger(__name__)

UNKNOWN = "[UNK]"
_BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
_MIN_SIZE = len(_BYTES) + 256
_LONGEST_PIECE = 16
_WORD_START = "▁"
_NEVER = -200.0  # log-probability of a piece that no segmentation shall use
_RARE_STEP = 1e-4  # of the trainer
_SCORE_DIGITS = 4
_SHRINKING_FACTOR = 0.5  # a quarter of the rounds of 0.75, and no difference in dev accuracy


def train_unigram(texts: Iterable[str], *, size: int, lowercase: bool = True) -> Tokenizer:
    """Train a Unigram tokenizer (Kudo 2018) that can encode every text.

    Text is NFKC-normalised and, by default, lower-cased; punctuation and single digits stand alone; characters that
    no sentence held fall back to their UTF-8 bytes.

    Args:
        texts: Sentences, in the shares in which the languages should weigh.
        size: Entries wanted, bytes included; fewer come out when the texts hold fewer.
        lowercase: Merge cases, as an uncased teacher does.

    Raises:
        UsageError: `size` is too small to hold the bytes and some pieces.
    """
    if size < _MIN_SIZE:
        raise UsageError(f"a vocabulary of {size} entries is too small; expected at least {_MIN_SIZE}.")
    tokenizer = Tokenizer(Unigram())
    steps = [normalizers.NFKC(), *([normalizers.Lowercase()] if lowercase else [])]
    steps.append(normalizers.Replace(Regex(r"\s+"), " "))
    tokenizer.normalizer = normalizers.Sequence([*steps, normalizers.Strip()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(),
            pre_tokenizers.Split(Regex(r"▁?(?!▁)[\p{P}\p{S}]"), "isolated"),
            pre_tokenizers.Split(Regex(r"▁?\p{N}"), "isolated"),
        ]
    )
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse(), decoders.Metaspace()])
    trainer = UnigramTrainer(
        vocab_size=size,
        special_tokens=[UNKNOWN, *_BYTES],
        unk_token=UNKNOWN,
        max_piece_length=_LONGEST_PIECE,
        shrinking_factor=_SHRINKING_FACTOR,
        n_sub_iterations=1,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return _with_byte_fallback(tokenizer)


def _with_byte_fallback(tokenizer: Tokenizer) -> Tokenizer:
    """Return the tokenizer with the byte entries as the model's fallback, no longer matched as text."""
    state = json.loads(tokenizer.to_str())
    state["model"]["byte_fallback"] = True
    state["added_tokens"] = [token for token in state["added_tokens"] if token["content"] == UNKNOWN]
    n_special = 1 + len(_BYTES)
    vocabulary = state["model"]["vocab"]
    state["model"]["vocab"] = vocabulary[:n_special] + _settled(vocabulary[n_special:])
    return Tokenizer.from_str(json.dumps(state))


def _settled(pieces: list[list[Any]]) -> list[list[Any]]:
    """Take the trainer's chance out of its pieces: it sums, breaks ties and scores rare characters in hash order.

    Characters that it has to keep although they are too rare for a score get the lowest one, plus a multiple of 0.0001.
    """
    lowest = min((score for _, score in pieces), default=0.0)
    steps = {piece: (score - lowest) / _RARE_STEP for piece, score in pieces if len(piece) == 1}
    rare = sorted(piece for piece, step in steps.items() if abs(step - round(step)) < 1e-5)
    scores = dict(pieces)
    scores.update(zip(rare, sorted((scores[piece] for piece in rare), reverse=True), strict=True))
    rounded = ([piece, round(score, _SCORE_DIGITS)] for piece, score in scores.items())
    return sorted(rounded, key=lambda entry: (-entry[1], entry[0]))


def finer(tokenizer: Tokenizer, longest: int) -> Tokenizer:
    """Return a Unigram tokenizer with the same ids that uses no piece of more than `longest` characters.

    Trained on both, a token table knows the parts of words that it later meets in another form.
    """
    state = json.loads(tokenizer.to_str())
    state["model"]["vocab"] = [
        [piece, score if len(piece.lstrip(_WORD_START)) <= longest or piece in _BYTES else _NEVER]
        for piece, score in state["model"]["vocab"]
    ]
    return Tokenizer.from_str(json.dumps(state))


def spelled_pieces(tokenizer: Tokenizer) -> list[tuple[int, str]]:
    """Return the id of each piece of a Unigram vocabulary and what it spells, but for bytes and the unknown token."""
    found = ((number, piece) for piece, number in tokenizer.get_vocab().items() if piece not in (UNKNOWN, *_BYTES))
    spelled = ((number, piece.replace(_WORD_START, " ").strip()) for number, piece in found)
    return sorted((number, text) for number, text in spelled if text)


def with_special_tokens(tokenizer: Tokenizer, *, like: PreTrainedTokenizerBase) -> PreTrainedTokenizerFast:
    """Return a Unigram tokenizer for a transformer: the special tokens of another one, in their places around a text.

    Padding keeps the other's id, on which the position numbers of RoBERTa-like models depend, unless there are fewer
    tokens than that.
    """
    from transformers import PreTrainedTokenizerFast

    roles = {role: str(token) for role, token in like.special_tokens_map.items() if isinstance(token, str)}
    state = json.loads(tokenizer.to_str())
    model = state["model"]
    unknown = model["vocab"][model["unk_id"]][0]
    pieces = [piece for piece in model["vocab"] if piece[0] != unknown and piece[0] not in roles.values()]
    specials = [roles["pad_token"], *sorted({unknown, *roles.values()} - {roles["pad_token"]})]
    vocabulary = [*pieces, *([token, 0.0] for token in specials[1:])]
    vocabulary.insert(like.pad_token_id, [specials[0], 0.0])
    model["vocab"] = vocabulary
    model["unk_id"] = [piece for piece, _ in vocabulary].index(unknown)
    state["added_tokens"] = []
    backend = Tokenizer.from_str(json.dumps(state))
    backend.add_special_tokens(specials)
    around = like.convert_ids_to_tokens(like("")["input_ids"])
    before = like("a", return_special_tokens_mask=True)["special_tokens_mask"].index(0)
    backend.post_processor = processors.TemplateProcessing(
        single=[*around[:before], "$A", *around[before:]],
        special_tokens=[(token, backend.token_to_id(token)) for token in around],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=like.model_max_length,
        model_input_names=like.model_input_names,
        padding_side=like.padding_side,
        truncation_side=like.truncation_side,
        **roles,
    )


def vocabulary_size(n_distinct_words: int) -> int:
    """Choose a vocabulary size by the corpus: a quarter of its distinct words, between 8,192 and 196,608.

    >>> vocabulary_size(1_000), vocabulary_size(200_000), vocabulary_size(5_000_000)
    (8192, 49152, 196608)
    """
    wanted = n_distinct_words // 4
    return int(min(196_608, max(8_192, wanted // 8_192 * 8_192)))
