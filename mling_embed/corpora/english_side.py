"""Which of two columns is the English one: by script, by English function words, by lingua where these do not say.

Enough English is full of its function words, and no other language is: no model is needed to tell its side. Texts that
are short, or mere names of things, are asked of lingua, where it is installed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import StrEnum

from mling_embed.corpora.language_id import detector_of
from mling_embed.corpora.scripts import script_check
from mling_embed.languages import ENGLISH, language_code

# Words of every English text that are not words of other languages as well (in, is, was, an, on, for, to are).
_FUNCTION_WORDS = frozenset(
    re.findall(
        r"\S+",
        "the and of you that it this with are have not they his from what there would which their were been your does "
        "about when who how had these those than then should could because where it's don't i'm you're isn't didn't "
        "we're they're i've can't won't couldn't she into our its there's that's",
    )
)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_LETTERS_FOR_LINGUA = 40
_CONFIDENT, _SURE, _UNLIKE = 0.9, 0.99, 0.1
_SHOWN = 300  # characters of a text that are looked at


class Sides(StrEnum):
    """Say which of two columns is English: as they stand, the other way round, neither, or not to be told."""

    IN_ORDER = "in order"
    SWAPPED = "swapped"
    NEITHER = "neither"
    UNCLEAR = "unclear"


def english_side(first: Sequence[str], second: Sequence[str], *, language: str | None = None) -> Sides:
    """Tell which of two columns is the English one.

    Args:
        first: Some texts of the column that is taken for English.
        second: Some texts of the other column.
        language: The other language, where it is known; it helps lingua.
    """
    latin = script_check(ENGLISH, 0.5)
    in_latin = [latin is None or _share(column, latin) >= 0.5 for column in (first, second)]
    if not in_latin[0]:
        return Sides.SWAPPED if in_latin[1] else Sides.NEITHER
    if not in_latin[1]:
        return Sides.IN_ORDER
    hits, others = _function_words(first), _function_words(second)
    if hits >= 2 and hits > 3 * others:
        return Sides.IN_ORDER
    if others >= 2 and others > 3 * hits:
        return Sides.SWAPPED
    return _by_lingua(first, second, language)


def is_english(texts: Sequence[str]) -> bool:
    """Tell whether a column is English, or may be: `False` only where its script or lingua says otherwise."""
    return english_side(texts, texts) is not Sides.NEITHER


def _share(texts: Sequence[str], check: Callable[[str], bool]) -> float:
    passed = [check(text[:_SHOWN]) for text in texts if text.strip()]
    return sum(passed) / len(passed) if passed else 1.0


def _function_words(texts: Sequence[str]) -> int:
    words = (word.casefold().replace("’", "'") for text in texts for word in _WORD.findall(text[:_SHOWN]))
    return sum(word in _FUNCTION_WORDS for word in words)


def _by_lingua(first: Sequence[str], second: Sequence[str], language: str | None) -> Sides:
    joined = [". ".join(text[:_SHOWN] for text in column[:50] if text.strip()) for column in (first, second)]
    if min(sum(map(str.isalpha, text)) for text in joined) < _LETTERS_FOR_LINGUA:
        return Sides.UNCLEAR
    code = None if language is None else language_code(language).split("-")[0]
    # Between two languages lingua is the surer; among all it sees that a text is in a third one.
    for choice in [None] if code is None or code == ENGLISH else [(ENGLISH, code), None]:
        detector = detector_of(choice)
        if detector is None:
            return Sides.UNCLEAR
        shares = [detector(text) for text in joined]
        english = [share.get(ENGLISH, 0.0) > _CONFIDENT for share in shares]
        foreign = [max({**share, ENGLISH: 0.0}.values()) > _CONFIDENT for share in shares]
        if english[0] and foreign[1]:
            return Sides.IN_ORDER
        if foreign[0] and english[1]:
            return Sides.SWAPPED
        if (
            choice is None
            and max({**shares[0], ENGLISH: 0.0}.values()) > _SURE
            and shares[1].get(ENGLISH, 0.0) < _UNLIKE
        ):
            return Sides.NEITHER
    return Sides.UNCLEAR
