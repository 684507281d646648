"""Splitting: long texts become sentences or passages that a model reads whole, with their places in the text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple

from mling_embed.errors import UsageError
from mling_embed.languages import UNKNOWN_LANGUAGE

TokenCounts = Callable[[Sequence[str]], Sequence[int]]


class PieceKind(StrEnum):
    """Name what texts are split into: nothing, sentences, or passages of as many sentences as the model reads."""

    NONE = "none"
    SENTENCES = "sentences"
    PASSAGES = "passages"


class Piece(NamedTuple):
    """Hold a part of a text and where it stands: ``text[start:end]``."""

    text: str
    start: int
    end: int


def split_text(
    text: str, *, language: str, split: PieceKind, limit: int | None, token_counts: TokenCounts
) -> list[Piece]:
    """Split a text; a sentence that is longer than the model reads is halved between words until it fits.

    Args:
        text: The text.
        language: Its language's code.
        split: Into what. Nothing (`PieceKind.NONE`) leaves it whole.
        limit: Tokens that the model reads; `None` if it reads any number.
        token_counts: Counts the tokens of texts.

    Raises:
        UsageError: sentencex is not installed.
    """
    whole = _trimmed(text, 0, len(text))
    if split is PieceKind.NONE or not whole.text:
        return [whole]
    sentences = _sentences(text, language)
    if limit is not None:
        sentences = [part for sentence in sentences for part in _fitting(sentence, text, limit, token_counts)]
    if split is PieceKind.SENTENCES:
        return sentences
    return _passages(sentences, text, limit, token_counts)


def _sentences(text: str, language: str) -> list[Piece]:
    try:
        import sentencex
    except ImportError:
        raise UsageError("splitting needs sentencex.", next_step="Install it: pip install sentencex.") from None
    known = "en" if language == UNKNOWN_LANGUAGE else language.partition("-")[0]
    try:
        parts = list(sentencex.segment(known, text))
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of its Rust core, which stumbles over some separators
            raise
        parts = [text]
    if "".join(parts) != text:  # a text that it does not give back is left whole
        parts = [text]
    pieces, at = [], 0
    for part in parts:
        piece = _trimmed(text, at, at + len(part))
        at += len(part)
        if piece.text:
            pieces.append(piece)
    return pieces


def _trimmed(text: str, start: int, end: int) -> Piece:
    part = text[start:end]
    start += len(part) - len(part.lstrip())
    part = part.strip()
    return Piece(part, start, start + len(part))


def _fitting(piece: Piece, text: str, limit: int, token_counts: TokenCounts) -> list[Piece]:
    """Halve a piece, between words where it has any, until every part fits."""
    if len(piece.text) < 2 or token_counts([piece.text])[0] <= limit:
        return [piece]
    middle = len(piece.text) // 2
    gap = piece.text.rfind(" ", 1, middle + 1)
    if gap < len(piece.text) // 4:
        gap = piece.text.find(" ", middle)
    cut = piece.start + (gap if gap > 0 else middle)
    halves = (_trimmed(text, piece.start, cut), _trimmed(text, cut, piece.end))
    return [part for half in halves if half.text for part in _fitting(half, text, limit, token_counts)]


def _passages(sentences: list[Piece], text: str, limit: int | None, token_counts: TokenCounts) -> list[Piece]:
    """Join neighboring sentences as long as the model reads them whole."""
    passages: list[Piece] = []
    for sentence in sentences:
        if passages:
            joined = _trimmed(text, passages[-1].start, sentence.end)
            if limit is None or token_counts([joined.text])[0] <= limit:
                passages[-1] = joined
                continue
        passages.append(sentence)
    return passages
