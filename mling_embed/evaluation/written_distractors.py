"""Distractors: English sentences changed in one thing that matters, as xSIM++ changes them (Chen et al. 2023).

Written here, for the original set cannot be had without its resources: an entity becomes another one of the same
texts, a number another number, and what is claimed or caused its opposite, by a small list of words.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

import numpy as np

MOST_OF_A_KIND = 3


class Change(StrEnum):
    """Name what was changed."""

    ENTITY = "entity"
    NUMBER = "number"
    CAUSALITY = "causality"


class Distractor(NamedTuple):
    """Hold a changed sentence, the row of the sentence that it was made from, and what was changed."""

    text: str
    row: int
    change: Change


_ENTITY = re.compile(r"(?<=[a-z,;:] )(?:[A-Z][\w'’-]+)(?: [A-Z][\w'’-]+)*")
_DIGITS = re.compile(r"\d+(?:[.,]\d+)*")
_NUMBERS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "twelve", "twenty", "hundred")
_OPPOSITES = (
    ("more", "less"),
    ("increase", "decrease"),
    ("increased", "decreased"),
    ("before", "after"),
    ("always", "never"),
    ("first", "last"),
    ("high", "low"),
    ("higher", "lower"),
    ("largest", "smallest"),
    ("large", "small"),
    ("best", "worst"),
    ("good", "bad"),
    ("most", "fewest"),
    ("many", "few"),
    ("with", "without"),
    ("above", "below"),
    ("can", "cannot"),
    ("is", "is not"),
    ("are", "are not"),
    ("was", "was not"),
    ("were", "were not"),
    ("will", "will not"),
    ("has", "has never"),
    ("have", "have never"),
    ("because", "although"),
    ("and", "but not"),
)
_OPPOSITE = {one: other for pair in _OPPOSITES for one, other in (pair, pair[::-1])}
_WORD = re.compile(
    r"\b(?:" + "|".join(sorted(map(re.escape, _OPPOSITE), key=len, reverse=True)) + r")\b",
)
_NUMBER_WORD = re.compile(r"\b(?:" + "|".join(_NUMBERS) + r")\b")


def written_distractors(sentences: Sequence[str]) -> list[Distractor]:
    """Return changed versions of English sentences, at most 3 of a kind for each, none equal to any of them.

    The same sentences give the same distractors: what replaces what is drawn by the sentence's own digest.
    """
    entities = sorted({found.group() for text in sentences for found in _ENTITY.finditer(text)})
    known = set(sentences)
    found: list[Distractor] = []
    for row, text in enumerate(sentences):
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        random = np.random.default_rng(int.from_bytes(digest))
        for change, versions in (
            (Change.ENTITY, _entities(text, entities, random)),
            (Change.NUMBER, _numbers(text, random)),
            (Change.CAUSALITY, _opposites(text)),
        ):
            new = [version for version in dict.fromkeys(versions) if version not in known]
            found += [Distractor(version, row, change) for version in new[:MOST_OF_A_KIND]]
            known.update(new[:MOST_OF_A_KIND])
    return found


def _entities(text: str, entities: Sequence[str], random: np.random.Generator) -> list[str]:
    """Return the sentence with each of its names replaced by one that it does not hold."""
    others = [each for each in entities if each not in text]
    if not others:
        return []
    return [_put(text, each, others[random.integers(len(others))]) for each in _ENTITY.finditer(text)]


def _numbers(text: str, random: np.random.Generator) -> list[str]:
    """Return the sentence with each of its numbers replaced by another of as many digits, or another word."""
    versions = []
    for each in _DIGITS.finditer(text):
        digits = [str((int(sign) + random.integers(1, 9)) % 10) if sign.isdigit() else sign for sign in each.group()]
        if digits[0] == "0" and each.group()[0] != "0":
            digits[0] = "1" if each.group()[0] != "1" else "2"
        versions.append(_put(text, each, "".join(digits)))
    for each in _NUMBER_WORD.finditer(text):
        others = [word for word in _NUMBERS if word != each.group()]
        versions.append(_put(text, each, others[random.integers(len(others))]))
    return versions


def _opposites(text: str) -> list[str]:
    """Return the sentence with each word of the list replaced by its opposite."""
    return [_put(text, each, _OPPOSITE[each.group()]) for each in _WORD.finditer(text)]


def _put(text: str, found: re.Match[str], other: str) -> str:
    return text[: found.start()] + other + text[found.end() :]
