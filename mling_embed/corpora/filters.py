"""Filters: each looks at a pair and gives the reason to reject it, or `None`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from mling_embed.corpora.records import Reason
from mling_embed.corpora.scripts import density_of, script_check
from mling_embed.errors import UsageError
from mling_embed.languages import ENGLISH

# C0 but for tab, DEL, C1 (NEL too), and U+FFFD, the mark of a decoding that failed. ZWJ, ZWNJ and the marks of
# direction are text.
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\ufffd\ufffe\uffff]")
_LETTER = re.compile(r"[^\W\d_]")
_RATIO_ALLOWANCE = 20  # characters added to both sides, so that short sentences may differ more


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterOptions:
    """Say what is filtered out; `None` switches a filter off.

    Attributes:
        max_characters: The most characters of either side.
        max_length_ratio: The most that the longer side may be of the shorter one, after 20 characters are added to
            both and Chinese, Japanese and Korean are counted at 3, 2.2 and 1.9 characters.
        max_copied_words: The most words of a translation that equals its source: names, numbers and titles are the
            same in many languages. Longer copies, and copies in a language of another script, are rejected.
        min_script_share: The least share of a side's letters that is of its language's scripts.
        min_language_confidence: With lingua (``pip install "mling-embed[lid]"``), the confidence from which a
            translation in another language is rejected.
    """

    max_characters: int | None = 2000
    max_length_ratio: float | None = 4.0
    max_copied_words: int | None = 3
    min_script_share: float | None = 0.1
    min_language_confidence: float | None = None

    def __post_init__(self) -> None:
        require_range("max_characters", self.max_characters, 1, float("inf"))
        require_range("max_length_ratio", self.max_length_ratio, 1, float("inf"))
        require_range("min_script_share", self.min_script_share, 0, 1)
        require_range("min_language_confidence", self.min_language_confidence, 0, 1)


def require_range(name: str, value: int | float | None, least: int | float, most: int | float) -> None:
    """See that a setting of a filter, where it is not switched off, can be what it says.

    Raises:
        UsageError: It lies outside of its range.
    """
    if value is not None and not least <= value <= most:
        span = f"at least {least:g}" if most == float("inf") else f"from {least:g} to {most:g}"
        raise UsageError(f"{name} is {value:g}, expected {span}.")


def tidy(text: str) -> str:
    """Return a text in NFC without white space around it; joiners (ZWJ, ZWNJ) stay."""
    text = text.strip()
    return text if text.isascii() or unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)


def is_empty(text: str) -> Reason | None:
    """Reject a text without any visible character."""
    if text and (text.isascii() or any(unicodedata.category(character)[0] not in "CZ" for character in text[:64])):
        return None
    return None if any(unicodedata.category(character)[0] not in "CZ" for character in text) else Reason.EMPTY


def is_undecodable(text: str) -> Reason | None:
    """Reject a text with half of a surrogate pair, which no encoding can write."""
    if text.isascii():
        return None
    try:
        text.encode()
    except UnicodeEncodeError:
        return Reason.UNDECODABLE
    return None


def has_controls(text: str) -> Reason | None:
    """Reject a text with control characters: NUL, a lone CR, NEL, U+FFFD."""
    if text.isprintable():
        return Reason.CONTROL_CHARACTERS if "\ufffd" in text else None
    return Reason.CONTROL_CHARACTERS if _CONTROL.search(text) else None


def is_too_long(text: str, most: int) -> Reason | None:
    """Reject a text of more than `most` characters."""
    return Reason.TOO_LONG if len(text) > most else None


def is_lopsided(english: str, other: str, ratio: float, *, density: float = 1.0) -> Reason | None:
    """Reject a pair with one side `ratio` times as long as the other, `density` characters counted for one."""
    ours, theirs = len(english) + _RATIO_ALLOWANCE, len(other) * density + _RATIO_ALLOWANCE
    return Reason.LENGTH_RATIO if ours > ratio * theirs or theirs > ratio * ours else None


def is_copy(english: str, other: str, most_words: int, *, right_script: bool = True) -> Reason | None:
    """Reject a translation that is its source, unless it is `most_words` words at most and rightly written.

    A text without letters (a number, a date) is right in any language.
    """
    if english != other or not _LETTER.search(english):
        return None
    return Reason.COPY_OF_SOURCE if not right_script or len(english.split()) > most_words else None


def sentence_filter(
    language: str, *, max_characters: int | None, min_script_share: float | None
) -> Callable[[str], Reason | None]:
    """Return the filter of a sentence of a language that is looked at alone (already tidy)."""
    right_script = script_check(language, min_script_share) if min_script_share is not None else None

    def check(text: str) -> Reason | None:
        reason = is_empty(text) or is_undecodable(text)
        if reason is None and max_characters is not None:
            reason = is_too_long(text, max_characters)
        if reason is None:
            reason = has_controls(text)
        if reason is None and right_script is not None and not right_script(text):
            reason = Reason.WRONG_SCRIPT
        return reason

    return check


def english_filter(options: FilterOptions) -> Callable[[str], Reason | None]:
    """Return the filter of an English sentence (already tidy)."""
    return sentence_filter(ENGLISH, max_characters=options.max_characters, min_script_share=options.min_script_share)


def translation_filter(language: str, options: FilterOptions) -> Callable[[str, str], Reason | None]:
    """Return the filter of a translation into `language`: it takes the English side and the other (both tidy)."""
    share = options.min_script_share
    right_script = script_check(language, share) if share is not None else None
    density = density_of(language)
    most, ratio, most_words = options.max_characters, options.max_length_ratio, options.max_copied_words

    def check(english: str, other: str) -> Reason | None:
        reason = is_empty(other) or is_undecodable(other)
        if reason is None and most is not None:
            reason = is_too_long(other, most)
        if reason is None:
            reason = has_controls(other)
        if reason is not None:
            return reason
        right = right_script is None or right_script(other)
        if most_words is not None:
            reason = is_copy(english, other, most_words, right_script=right)
        if reason is None and not right:
            reason = Reason.WRONG_SCRIPT
        if reason is None and ratio is not None:
            reason = is_lopsided(english, other, ratio, density=density)
        return reason

    return check
