"""Guessing the language of texts by lingua (an extra: ``mling-embed[lid]``)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from mling_embed.languages import UNKNOWN_LANGUAGE, language_code


@lru_cache(maxsize=1)
def _detector() -> Any:
    try:
        import lingua
    except ImportError:
        return None
    return lingua.LanguageDetectorBuilder.from_all_languages().with_low_accuracy_mode().build()


def can_guess() -> bool:
    """Tell whether lingua is installed."""
    return _detector() is not None


def guess_languages(texts: Sequence[str]) -> list[str]:
    """Return the most likely language of each text; ``und`` where there is no telling, or no lingua."""
    detector = _detector()
    if detector is None:
        return [UNKNOWN_LANGUAGE] * len(texts)
    found = detector.detect_languages_in_parallel_of(list(texts))
    return [UNKNOWN_LANGUAGE if each is None else language_code(each.iso_code_639_1.name.lower()) for each in found]
