"""Language codes: BCP-47, ISO 639-3 and FLORES names in, one short form out."""

from __future__ import annotations

from functools import lru_cache

import langcodes
from langcodes.tag_parser import LanguageTagError

from mling_embed.errors import UsageError

ENGLISH = "en"
UNKNOWN_LANGUAGE = "und"
# What corpora write where the standard says something else; a macrolanguage stands for its main member.
_CORPUS_NAMES = {
    "cmn": "zh",
    "jp": "ja",
    "cz": "cs",
    "gr": "el",
    "swh": "sw",
    "arb": "ar",
    "pes": "fa",
    "lvs": "lv",
    "ekk": "et",
    "nob": "nb",
    "zsm": "ms",
    "uzn": "uz",
    "khk": "mn",
    "npi": "ne",
    "ory": "or",
    "plt": "mg",
    "ydd": "yi",
    "als": "sq",
    "azj": "az",
    "pbt": "ps",
}


@lru_cache(maxsize=4096)
def language_code(name: str) -> str:
    """Return the one form of a language's code that the package uses.

    The shortest ISO 639 code, with a script or region only where it is not the language's usual one:
    ``deu``, ``de_DE`` and ``deu_Latn`` are ``de``; ``zho_Hant`` is ``zh-Hant``; ``pt-PT`` is ``pt-PT``.

    Raises:
        UsageError: No such language.

    >>> [language_code(name) for name in ("deu", "zho_Hans", "cmn", "swh_Latn", "zh-TW", "EN")]
    ['de', 'zh', 'zh', 'sw', 'zh-TW', 'en']
    """
    try:
        head, _, rest = name.strip().replace("_", "-").partition("-")
        head = _CORPUS_NAMES.get(head.lower(), head)
        language = langcodes.Language.get(f"{head}-{rest}" if rest else head)
    except (LanguageTagError, AttributeError):
        language = langcodes.Language.make()
    if not language.language or not language.is_valid():
        raise UsageError(
            f"'{name}' is not a language code.",
            next_step="Use a BCP-47, ISO 639-3 or FLORES code such as de, deu or deu_Latn.",
        )
    usual = langcodes.Language.get(language.language).maximize()
    if usual.script == "Kore" and language.script == "Hang":  # FLORES writes Korean's usual script so
        language = langcodes.Language.make(language="ko")
    script = None if language.script in (None, usual.script) else language.script
    territory = None if language.territory in (None, usual.territory) else language.territory
    return langcodes.Language.make(language=language.language, script=script, territory=territory).to_tag()


@lru_cache(maxsize=4096)
def script_of(language: str) -> str:
    """Return the ISO 15924 script in which a language is usually written, such as ``Latn`` or ``Hans``."""
    return langcodes.Language.get(language).maximize().script or "Zyyy"


@lru_cache(maxsize=4096)
def language_name(code: str) -> str:
    """Return the English name of a language, or the code itself where it is not known.

    >>> language_name("sw"), language_name("pt-PT"), language_name("xyz")
    ('Swahili', 'Portuguese (Portugal)', 'xyz')
    """
    try:
        language = langcodes.Language.get(code)
    except (LanguageTagError, AttributeError):
        return code
    return str(language.display_name()) if language.is_valid() else code
