"""Decontamination: sentences of test sets are kept out of training, whatever their case and punctuation."""

from __future__ import annotations

import hashlib
import re
import sys
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mling_embed.corpora.deduplication import key_of


@lru_cache(maxsize=1)
def _passed_over() -> re.Pattern[str]:
    """Return what matching passes over: punctuation, space, controls and joiners, accents that stand alone."""
    ranges: list[list[int]] = []
    for point in range(sys.maxunicode + 1):
        kind = unicodedata.category(chr(point))
        if kind[0] in "PZ" or kind in ("Cc", "Cf", "Sk"):
            if ranges and ranges[-1][1] == point - 1:
                ranges[-1][1] = point
            else:
                ranges.append([point, point])
    return re.compile("[" + "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges) + "]+")


def match_form(text: str) -> str:
    """Return the form under which two texts count as the same: NFC, casefolded, no punctuation, no space.

    >>> match_form("Don't  panic!") == match_form("don’t panic")
    True
    """
    folded = text.casefold()
    if not folded.isascii():
        folded = unicodedata.normalize("NFC", folded)
    return _passed_over().sub("", folded)


class ExcludedTexts:
    """Hold the match forms of test sentences as sorted 64-bit keys.

    Args:
        texts: Sentences in any language; one without a letter or digit excludes nothing.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        forms = (match_form(text) for text in texts)
        keys = np.fromiter((key_of(form) for form in forms if form), dtype=np.uint64)
        self._keys: NDArray[np.uint64] = np.unique(keys)
        self._members = frozenset(self._keys.tolist())

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: int) -> bool:
        """Tell whether `key`, the `key_of` a match form, is that of a test sentence."""
        return key in self._members

    @property
    def fingerprint(self) -> str:
        """Name the set of texts by its content."""
        return hashlib.sha256(self._keys.tobytes()).hexdigest()
