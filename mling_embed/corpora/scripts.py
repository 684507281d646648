"""Which letters a language is written in, and whether a text has enough of them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

from mling_embed.languages import script_of

# ISO 15924 script -> the words with which the Unicode names of its letters begin.
_NAMES: dict[str, tuple[str, ...]] = {
    "Latn": ("LATIN", "FULLWIDTH LATIN"),
    "Cyrl": ("CYRILLIC",),
    "Grek": ("GREEK",),
    "Arab": ("ARABIC",),
    "Hebr": ("HEBREW",),
    "Armn": ("ARMENIAN",),
    "Geor": ("GEORGIAN",),
    "Deva": ("DEVANAGARI",),
    "Beng": ("BENGALI",),
    "Guru": ("GURMUKHI",),
    "Gujr": ("GUJARATI",),
    "Orya": ("ORIYA",),
    "Taml": ("TAMIL",),
    "Telu": ("TELUGU",),
    "Knda": ("KANNADA",),
    "Mlym": ("MALAYALAM",),
    "Sinh": ("SINHALA",),
    "Thai": ("THAI",),
    "Laoo": ("LAO",),
    "Mymr": ("MYANMAR",),
    "Khmr": ("KHMER",),
    "Tibt": ("TIBETAN",),
    "Ethi": ("ETHIOPIC",),
    "Mong": ("MONGOLIAN",),
    "Hans": ("CJK", "BOPOMOFO"),
    "Hant": ("CJK", "BOPOMOFO"),
    "Jpan": ("CJK", "HIRAGANA", "KATAKANA", "HALFWIDTH KATAKANA"),
    "Kore": ("HANGUL", "CJK", "HALFWIDTH HANGUL"),
    "Thaa": ("THAANA",),
    "Syrc": ("SYRIAC",),
    "Cher": ("CHEROKEE",),
    "Tfng": ("TIFINAGH",),
    "Olck": ("OL CHIKI",),
    "Mtei": ("MEETEI MAYEK",),
    "Nkoo": ("NKO",),
}
# Languages that are in daily use in more than one script.
_ALSO_WRITTEN: dict[str, tuple[str, ...]] = {
    "sr": ("Latn",),
    "sh": ("Latn", "Cyrl"),
    "bs": ("Cyrl",),
    "cnr": ("Latn", "Cyrl"),
    "az": ("Cyrl", "Arab"),
    "uz": ("Cyrl", "Arab"),
    "kk": ("Latn", "Arab"),
    "ky": ("Latn", "Arab"),
    "tk": ("Cyrl", "Arab"),
    "tg": ("Latn", "Arab"),
    "tt": ("Latn",),
    "crh": ("Latn", "Cyrl"),
    "ug": ("Latn", "Cyrl"),
    "mn": ("Mong",),
    "be": ("Latn",),
    "ku": ("Arab", "Cyrl"),
    "kmr": ("Arab", "Cyrl"),
    "ckb": ("Latn",),
    "pa": ("Arab",),
    "sd": ("Deva",),
    "ks": ("Deva", "Arab"),
    "kok": ("Latn", "Knda"),
    "mni": ("Beng", "Mtei"),
    "sat": ("Deva", "Beng", "Latn", "Olck"),
    "ha": ("Arab",),
    "ms": ("Arab",),
    "jv": ("Java",),
    "kab": ("Tfng",),
    "ber": ("Tfng", "Latn"),
    "zgh": ("Latn",),
    "shi": ("Latn", "Tfng"),
    "rif": ("Latn", "Tfng"),
    "yi": ("Latn",),
    "lad": ("Hebr", "Latn"),
    "rom": ("Latn", "Cyrl"),
    "iu": ("Latn",),
    "nan": ("Latn", "Hant"),
    "hak": ("Latn", "Hant"),
    "cdo": ("Latn", "Hant"),
    "got": ("Latn",),
    "sa": ("Latn",),
    "pi": ("Latn", "Deva"),
    "arq": ("Latn",),
    "ary": ("Latn",),
    "cv": ("Latn",),
}
_LAST_LETTER = 0x33480  # the end of CJK extension H
# Characters that one character of the script stands for, in English: Chinese is about a third as long.
_DENSITY = {"Hans": 3.0, "Hant": 3.0, "Jpan": 2.2, "Kore": 1.9}


def density_of(language: str) -> float:
    """Return how many characters of English one character of a language stands for, about."""
    return _DENSITY.get(script_of(language), 1.0)


def scripts_of(language: str) -> frozenset[str]:
    """Return the ISO 15924 scripts that a language is written in; a script in its code is the only one."""
    usual = script_of(language)
    if len(language.split("-")) > 1 and len(language.split("-")[1]) == 4:
        return frozenset({usual})
    return frozenset({usual, *_ALSO_WRITTEN.get(language, ())})


@lru_cache(maxsize=512)
def script_check(language: str, share: float) -> Callable[[str], bool] | None:
    """Return a function that tells whether at least `share` of a text's letters are of the language's scripts.

    A letter of a dense script (see `density_of`) counts for several, as names in Latin letters are long beside it.
    A text without letters passes. `None` where one of the scripts is not known here: nothing can be said.
    """
    scripts = scripts_of(language)
    if not scripts <= _NAMES.keys():
        return None
    words = tuple(sorted({word for script in scripts for word in _NAMES[script]}))
    runs = re.compile(f"[{_letters_named(words)}]+")
    latin, density = "Latn" in scripts, density_of(language)

    def has_enough(text: str) -> bool:
        if text.isascii():
            if latin:
                return True
            expected = 0.0
        else:
            expected = density * sum(map(len, runs.findall(text)))
            if expected >= share * len(text):
                return True
        return expected >= share * sum(map(str.isalpha, text))

    return has_enough


@lru_cache(maxsize=64)
def _letters_named(words: tuple[str, ...]) -> str:
    """Return the ranges of a regular expression's set: letters and marks whose names begin so."""
    ranges: list[list[int]] = []
    for point in range(_LAST_LETTER):
        character = chr(point)
        if unicodedata.category(character)[0] in "LM" and unicodedata.name(character, "").startswith(words):
            if ranges and ranges[-1][1] == point - 1:
                ranges[-1][1] = point
            else:
                ranges.append([point, point])
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)
