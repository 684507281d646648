"""Sentences of a running text in any language, with their places in it."""

from __future__ import annotations

from typing import NamedTuple

from mling_embed.errors import UsageError
from mling_embed.languages import UNKNOWN_LANGUAGE


class Piece(NamedTuple):
    """Hold a part of a text and where it stands: ``text[start:end]``."""

    text: str
    start: int
    end: int


def split_sentences(text: str, language: str = UNKNOWN_LANGUAGE) -> list[Piece]:
    """Split a text into its sentences, trimmed; what has none of its own is left whole.

    Args:
        text: The text.
        language: Its language's code; an unknown one is split as English is.

    Raises:
        UsageError: sentencex is not installed.
    """
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
        piece = trimmed(text, at, at + len(part))
        at += len(part)
        if piece.text:
            pieces.append(piece)
    return pieces


def trimmed(text: str, start: int, end: int) -> Piece:
    """Return a part of a text without the white space around it."""
    part = text[start:end]
    start += len(part) - len(part.lstrip())
    part = part.strip()
    return Piece(part, start, start + len(part))
