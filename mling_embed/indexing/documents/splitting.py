"""Splitting: long texts become sentences or passages that a model reads whole, with their places in the text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

from mling_embed.corpora.sentence_splitting import Piece, split_sentences, trimmed

TokenCounts = Callable[[Sequence[str]], Sequence[int]]


class PieceKind(StrEnum):
    """Name what texts are split into: nothing, sentences, or passages of as many sentences as the model reads."""

    NONE = "none"
    SENTENCES = "sentences"
    PASSAGES = "passages"


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
    whole = trimmed(text, 0, len(text))
    if split is PieceKind.NONE or not whole.text:
        return [whole]
    sentences = split_sentences(text, language)
    if limit is not None:
        sentences = [part for sentence in sentences for part in _fitting(sentence, text, limit, token_counts)]
    if split is PieceKind.SENTENCES:
        return sentences
    return _passages(sentences, text, limit, token_counts)


def _fitting(piece: Piece, text: str, limit: int, token_counts: TokenCounts) -> list[Piece]:
    """Halve a piece, between words where it has any, until every part fits."""
    if len(piece.text) < 2 or token_counts([piece.text])[0] <= limit:
        return [piece]
    middle = len(piece.text) // 2
    gap = piece.text.rfind(" ", 1, middle + 1)
    if gap < len(piece.text) // 4:
        gap = piece.text.find(" ", middle)
    cut = piece.start + (gap if gap > 0 else middle)
    halves = (trimmed(text, piece.start, cut), trimmed(text, cut, piece.end))
    return [part for half in halves if half.text for part in _fitting(half, text, limit, token_counts)]


def _passages(sentences: list[Piece], text: str, limit: int | None, token_counts: TokenCounts) -> list[Piece]:
    """Join neighboring sentences as long as the model reads them whole."""
    passages: list[Piece] = []
    for sentence in sentences:
        if passages:
            joined = trimmed(text, passages[-1].start, sentence.end)
            if limit is None or token_counts([joined.text])[0] <= limit:
                passages[-1] = joined
                continue
        passages.append(sentence)
    return passages
