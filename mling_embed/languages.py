"""Language codes: BCP-47, ISO 639-3, FLORES and locale names in, one short form out, one meaning of "asked for"."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from functools import lru_cache

import langcodes
from langcodes.tag_parser import LanguageTagError

from mling_embed.errors import UsageError

ENGLISH = "en"
UNKNOWN_LANGUAGE = "und"
# What corpora write where the standard says something else; a macrolanguage and its main member are one language.
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
    "no": "nb",
    "nor": "nb",
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
# What a locale says after its @: a script; anything else (euro, valencia) makes no other language.
_MODIFIERS = {
    "latin": "Latn",
    "iqtelif": "Latn",
    "cyrillic": "Cyrl",
    "arabic": "Arab",
    "devanagari": "Deva",
    "shaw": "Shaw",
}
_NO_LANGUAGE = frozenset({"und", "mul", "mis", "zxx"})
_CODE = re.compile(r"[a-z]{2,3}")
_MODIFIER = re.compile(r"[A-Za-z]{2,12}")


@lru_cache(maxsize=4096)
def _parsed(name: str) -> langcodes.Language:
    """Return what a name says of a language and no more: script and region only where it names them."""
    locale, at, modifier = name.strip().partition("@")
    tag, dot, encoding = locale.partition(".")
    try:
        if dot:
            codecs.lookup(encoding)
        if at and not _MODIFIER.fullmatch(modifier):
            raise LanguageTagError(modifier)
        head, _, rest = tag.replace("_", "-").removesuffix("-XX").partition("-")  # en_XX of mBART and CCAligned
        head = _CORPUS_NAMES.get(head.lower(), head)
        language = langcodes.Language.get(f"{head}-{rest}" if rest else head)
    except (LanguageTagError, LookupError, AttributeError, ValueError):  # the last two: of hostile text
        language = langcodes.Language.make()
    code = language.language or ""
    if not _CODE.fullmatch(code) or code in _NO_LANGUAGE or "qaa" <= code <= "qtz" or not language.is_valid():
        raise UsageError(
            f"'{name}' is not a language code.",
            next_step="Use a BCP-47, ISO 639-3 or FLORES code such as de, deu or deu_Latn.",
        )
    script = _MODIFIERS.get(modifier.lower()) or language.script
    if code == "ko" and script == "Hang":  # FLORES writes Korean's usual script so
        script = None
    return langcodes.Language.make(language=code, script=script, territory=language.territory)


@lru_cache(maxsize=4096)
def language_code(name: str) -> str:
    """Return the one form of a language's code that the package uses.

    The shortest ISO 639 code, with a script or region only where it is not the language's usual one:
    ``deu``, ``de_DE.UTF-8`` and ``deu_Latn`` are ``de``; ``zho_Hant`` is ``zh-Hant``; ``pt-PT`` is ``pt-PT``;
    ``sr@latin`` is ``sr-Latn``. English is ``en`` in every region: the teacher's language is never one to teach.

    Raises:
        UsageError: No such language.

    >>> [language_code(name) for name in ("deu", "zho_Hans", "cmn", "no", "zh-TW", "EN", "en-GB", "sr@latin")]
    ['de', 'zh', 'zh', 'nb', 'zh-TW', 'en', 'en', 'sr-Latn']
    """
    language = _parsed(name)
    usual = langcodes.Language.make(language=language.language).maximize()
    script = None if language.script in (None, usual.script) else language.script
    territory = None if language.territory in (None, usual.territory) else language.territory
    if language.language == ENGLISH:
        territory = None
    return str(langcodes.Language.make(language=language.language, script=script, territory=territory).to_tag())


@lru_cache(maxsize=4096)
def language_tag(name: str) -> str:
    """Return a language's code with all that a name says of it: ``pt_BR`` is ``pt-BR``, where its code is ``pt``.

    What somebody asks for is kept in this form: who says ``pt-BR`` does not want ``pt-PT``, who says ``pt`` does.

    Raises:
        UsageError: No such language.
    """
    return str(_parsed(name).to_tag())


@lru_cache(maxsize=4096)
def takes(asked: str, language: str) -> bool:
    """Tell whether a language is meant by one that is asked for. This is the one meaning of "in language X".

    Every part that `asked` names must be that of `language`, whose unnamed parts are its usual ones.

    Raises:
        UsageError: One of them is no language.

    >>> [takes("pt", "pt-PT"), takes("pt", "pt-BR"), takes("pt-BR", "pt"), takes("pt-BR", "pt-PT"), takes("no", "nb")]
    [True, True, True, False, True]
    """
    wanted, given = _parsed(asked), _parsed(language).maximize()
    if wanted.language != given.language:
        return False
    in_script = wanted.script in (None, given.script)
    return in_script and (language_code(asked) == ENGLISH or wanted.territory in (None, given.territory))


def taken(asked: Iterable[str] | None, language: str) -> bool:
    """Tell whether a language is meant by any of those that are asked for; `None` asks for all."""
    return asked is None or any(takes(one, language) for one in asked)


def is_known(name: str) -> bool:
    """Tell whether a name is a language's code, in any of the forms that `language_code` reads."""
    try:
        _parsed(name)
    except UsageError:
        return False
    return True


@lru_cache(maxsize=4096)
def find_language(word: str) -> str | None:
    """Return the code that a word means, as a code or as a language's name; `None` if it means no language.

    >>> [find_language(word) for word in ("deu", "German", "Deutsch", "human")]
    ['de', 'de', 'de', None]
    """
    if is_known(word):
        return language_code(word)
    word = word.strip()
    if not 3 < len(word) <= 40 or not word[0].isalpha():
        return None
    try:
        return language_code(langcodes.find(word).to_tag())
    except (LookupError, UsageError):
        return None


@lru_cache(maxsize=4096)
def language_name(code: str) -> str:
    """Return the English name of a language, or its code where none is known.

    >>> language_name("sw"), language_name("zh-Hant"), language_name("xyz")
    ('Swahili', 'Chinese (Traditional)', 'xyz')
    """
    try:
        name = langcodes.Language.get(code).display_name("en")
    except LanguageTagError:
        return code
    return code if name.startswith("Unknown language [") else str(name)


@lru_cache(maxsize=4096)
def script_of(language: str) -> str:
    """Return the ISO 15924 script in which a language is usually written, such as ``Latn`` or ``Hans``."""
    return langcodes.Language.get(language).maximize().script or "Zyyy"
