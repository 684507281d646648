"""Language identification: lingua tells which language a text is in (an extra: ``mling-embed[lid]``)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from mling_embed.corpora.records import Reason
from mling_embed.errors import UsageError

SHORTEST = 30  # characters below which no text says enough
# One side of each is too close to the other, or is not told apart, by lingua.
_ALIKE = ({"nb", "nn", "no", "da"}, {"bs", "hr", "sr", "sh"}, {"id", "ms"}, {"zh", "zh-TW", "yue"}, {"cs", "sk"})


@lru_cache(maxsize=1)
def _detector() -> Any:
    try:
        import lingua
    except ImportError:
        raise UsageError(
            "the language filter needs lingua.", next_step='Install it: pip install "mling-embed[lid]".'
        ) from None
    return lingua.LanguageDetectorBuilder.from_all_languages().with_low_accuracy_mode().build()


@lru_cache(maxsize=64)
def detector_of(codes: tuple[str, ...] | None = None) -> Callable[[str], dict[str, float]] | None:
    """Return a function from a text to lingua's confidence in each language; `None` where lingua is not installed.

    Args:
        codes: The languages that it may be; all by default, and where lingua does not know one of them.
    """
    try:
        import lingua
    except ImportError:
        return None
    known = {language.iso_code_639_1.name.lower(): language for language in lingua.Language.all()}
    if codes is not None and all(code in known for code in codes):
        detector = lingua.LanguageDetectorBuilder.from_languages(*(known[code] for code in codes)).build()
    else:
        detector = _detector()

    def confidences(text: str) -> dict[str, float]:
        values = detector.compute_language_confidence_values(text)
        return {value.language.iso_code_639_1.name.lower(): value.value for value in values}

    return confidences


def language_filter(language: str, confidence: float) -> Callable[[str], Reason | None]:
    """Return a filter that rejects a text which lingua takes for another language with at least `confidence`.

    Languages that lingua does not know, texts of fewer than 30 characters, and confusions between close
    languages (Danish and Norwegian, Indonesian and Malay) pass.

    Raises:
        UsageError: lingua is not installed.
    """
    detector = _detector()
    own = language.split("-")[0]
    known = {item.iso_code_639_1.name.lower() for item in type(detector.detect_language_of("one")).all()}
    allowed = {own}.union(*(group for group in _ALIKE if own in group))

    def check(text: str) -> Reason | None:
        if own not in known or len(text) < SHORTEST:
            return None
        values = detector.compute_language_confidence_values(text)
        if not values or values[0].value < confidence:
            return None
        found = values[0].language.iso_code_639_1.name.lower()
        return None if found in allowed else Reason.WRONG_LANGUAGE

    return check
