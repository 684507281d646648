"""Filters of mined pairs: each gives the reason to leave a pair out, or `None`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from mling_embed.corpora.filters import is_copy, is_lopsided, require_range
from mling_embed.corpora.scripts import density_of
from mling_embed.languages import UNKNOWN_LANGUAGE

_NUMBER = re.compile(r"\d+(?:[.,:’'\u00a0\u202f ]\d+)*")
_SEPARATORS = re.compile(r"\D")


class PairReason(StrEnum):
    """Name why a pair is left out, or marked."""

    LENGTH_RATIO = "length-ratio"
    COPY_OF_SOURCE = "copy-of-source"
    NUMBERS_DIFFER = "numbers-differ"


@dataclass(frozen=True, slots=True, kw_only=True)
class PairFilter:
    """Say which pairs are left out; `None` or `False` switches a filter off.

    Attributes:
        max_length_ratio: The most that the longer side may be of the shorter one, as `corpora.filters` counts it.
        max_copied_words: The most words of a pair with equal sides.
        same_numbers: Whether both sides must hold the same numbers; separators in them do not count, and words such as
            "three" or "million" are not read.
    """

    max_length_ratio: float | None = 4.0
    max_copied_words: int | None = 3
    same_numbers: bool = False

    def __post_init__(self) -> None:
        require_range("max_length_ratio", self.max_length_ratio, 1, float("inf"))

    def check_for(self, source_language: str, target_language: str) -> Callable[[str, str], PairReason | None]:
        """Return the check of a pair: its reason to be left out, or `None`."""
        ours, theirs = _density(source_language), _density(target_language)

        def check(source: str, target: str) -> PairReason | None:
            ratio, most = self.max_length_ratio, self.max_copied_words
            if most is not None and is_copy(source, target, most):
                return PairReason.COPY_OF_SOURCE
            if ratio is not None and is_lopsided(source, target, ratio, density=theirs / ours):
                return PairReason.LENGTH_RATIO
            if self.same_numbers and numbers_in(source) != numbers_in(target):
                return PairReason.NUMBERS_DIFFER
            return None

        return check


def numbers_in(text: str) -> tuple[str, ...]:
    """Return the numbers of a text, sorted, without separators and in ASCII digits.

    >>> numbers_in("In 2024: 1.234,5 km") == numbers_in("1,234.5 km in 2024") == numbers_in("٢٠٢٤: 1 234,5")
    True
    """
    found = (_SEPARATORS.sub("", number) for number in _NUMBER.findall(text))
    return tuple(sorted("".join(str(int(digit)) for digit in number) for number in found))


def _density(language: str) -> float:
    return 1.0 if language == UNKNOWN_LANGUAGE else density_of(language)
