"""Guessing the language of texts by lingua (an extra: ``mling-embed[lid]``)."""

from __future__ import annotations

from collections.abc import Sequence

from mling_embed.corpora.language_id import detector_of
from mling_embed.languages import UNKNOWN_LANGUAGE, language_code


def can_guess() -> bool:
    """Tell whether lingua is installed."""
    return detector_of() is not None


def guess_languages(texts: Sequence[str]) -> list[str]:
    """Return the most likely language of each text; ``und`` where there is no telling, or no lingua."""
    confidences = detector_of()
    if confidences is None:
        return [UNKNOWN_LANGUAGE] * len(texts)
    return [_most_likely(confidences(text)) for text in texts]


def _most_likely(values: dict[str, float]) -> str:
    if not values or max(values.values()) == 0:
        return UNKNOWN_LANGUAGE
    best = max(values, key=lambda code: (values[code], code))
    # Of scripts that tell nothing all languages are as likely.
    return language_code(best) if list(values.values()).count(values[best]) == 1 else UNKNOWN_LANGUAGE
