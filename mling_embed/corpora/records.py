"""The records that pass between the parts of a corpus: a pair that was read, and a row that was not kept."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Name why a row was not kept."""

    UNDECODABLE = "undecodable"
    MALFORMED = "malformed"
    FUZZY = "fuzzy"
    OBSOLETE = "obsolete"
    UNTRANSLATED = "untranslated"
    NO_ENGLISH = "no-english"
    UNKNOWN_LANGUAGE = "unknown-language"
    NOT_WANTED = "language-not-wanted"
    EMPTY = "empty"
    TOO_LONG = "too-long"
    CONTROL_CHARACTERS = "control-characters"
    COPY_OF_SOURCE = "copy-of-source"
    LENGTH_RATIO = "length-ratio"
    WRONG_SCRIPT = "wrong-script"
    WRONG_LANGUAGE = "wrong-language"
    IN_EVALUATION_SET = "in-evaluation-set"
    DUPLICATE_PAIR = "duplicate-pair"


@dataclass(frozen=True, slots=True)
class Pair:
    """Hold an English sentence and its translation, as read and not yet filtered.

    Attributes:
        english: The English side, the anchor.
        other: The translation; `None` where the input has English alone.
        language: The translation's language as the input names it; `None` where it does not say.
        line: The line in the file from 1; the number of the record in formats without lines.
    """

    english: str
    other: str | None
    language: str | None
    line: int


@dataclass(frozen=True, slots=True)
class Reject:
    """Hold a row that was read and not kept, with the reason.

    Attributes:
        reason: Why it was not kept.
        text: The row's text, as far as it can be shown.
        language: Its language, where known.
        line: The line in the file from 1; the number of the record in formats without lines.
    """

    reason: Reason
    text: str
    language: str | None
    line: int
