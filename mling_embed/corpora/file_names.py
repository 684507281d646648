"""What a file's name says of languages: ``news.de-en.tsv``, ``train.de``, ``de.po``, ``pt-BR.jsonl``."""

from __future__ import annotations

import re
from pathlib import Path

from mling_embed.corpora.archives import COMPRESSIONS
from mling_embed.languages import ENGLISH, is_known, language_code, language_tag

_NO_SIDE = frozenset({"txt", "tsv", "csv", "text", "tok", "src", "tgt", "trg", "ref", "hyp", "raw"})
_ARCHIVE_ENDS = (".zip", ".tar", ".tgz")
_WORDS = re.compile(r"[-_]")


def pair_in_name(name: str) -> tuple[str, str] | None:
    """Return the two languages of a name, in its order, one of them English; `None` if it names no such pair.

    >>> [pair_in_name(n) for n in ("news.de-en.tsv", "WikiMatrix.en-pt_BR.tsv.gz", "europarl.dev.tsv", "en-GB.tsv")]
    [('de', 'en'), ('en', 'pt-BR'), None, None]
    """
    for part in reversed(_parts(name)):
        starts = [0, *(mark.end() for mark in _WORDS.finditer(part))]
        for start in starts:
            if pair := _pair(part[start:]):
                return pair
    return None


def foreign_pair_in_name(name: str) -> tuple[str, str] | None:
    """Return the two languages of a name neither of which is English, as codes of two letters; `None` if none.

    >>> [foreign_pair_in_name(name) for name in ("news.de-fr.tsv", "de-en.tsv", "pt-br.tsv", "well-known.tsv")]
    [('de', 'fr'), None, None, None]
    """
    for part in reversed(_parts(name)):
        codes = _WORDS.split(part)
        if len(codes) == 2 and all(map(is_language_part, codes)) and part.islower() and not is_language_part(part):
            first, second = map(language_code, codes)
            if ENGLISH not in (first, second) and first != second:
                return language_tag(codes[0]), language_tag(codes[1])
    return None


def language_in_name(name: str) -> str | None:
    """Return the one language, not English, that a name or its pair of languages says; `None` if none.

    A part that stands alone must be a code of two letters, with or without a region: ``dev``, ``all``, ``new`` and
    ``raw`` are languages too, and are meant as such by nobody.

    >>> [language_in_name(name) for name in ("x.de.gz", "x.en-sw.tsv", "europarl.dev.tsv", "x.dedup.tsv", "x.v2.tsv")]
    ['de', 'sw', None, None, None]
    """
    if pair := pair_in_name(name):
        return next(language for language in pair if language_code(language) != ENGLISH)
    for part in reversed(_parts(name)):
        if is_language_part(part) and language_code(part) != ENGLISH:
            return language_tag(part)
    return None


def language_of_side(name: str) -> str | None:
    """Return the language that the name of one side of a Moses pair ends with, or is: ``N.de-en.de``, ``de.txt``.

    Beside another side in English any code counts, one of three letters too.
    """
    parts = [part for part in _stem(name).split(".") if part.lower() not in _NO_SIDE]
    for part in (*parts[-1:], *parts[:1]):
        if is_known(part):
            return language_tag(part)
    return None


def is_language_part(part: str) -> bool:
    """Tell whether a part of a name that stands alone is meant as a language.

    >>> [is_language_part(part) for part in ("de", "pt-BR", "pt-br", "de-fr", "dev")]
    [True, True, True, False, False]
    """
    head, *rest = _WORDS.split(part)
    if len(head) != 2 or not part.isascii() or not is_known(part):
        return False
    # de-fr is German and French, not German of France, but for two that are often written so.
    return not (rest and part.islower() and is_known(rest[0])) or part.replace("_", "-") in ("pt-br", "zh-tw")


def _stem(name: str) -> str:
    """Return a name without its folders and the suffixes of compression."""
    name = re.split(r"[/\\!]", name)[-1]
    while Path(name).suffix.lower() in (*COMPRESSIONS, *_ARCHIVE_ENDS):
        name = Path(name).stem
    return name


def _parts(name: str) -> list[str]:
    """Return the parts between a name's dots, without the suffix of its format."""
    *parts, last = [part for part in _stem(name).split(".") if part] or [name]
    return [*parts, last] if not parts or is_language_part(last) or _pair(last) else parts


def _pair(text: str) -> tuple[str, str] | None:
    for mark in _WORDS.finditer(text):
        first, second = text[: mark.start()], text[mark.end() :]
        # en-CA is English of Canada, not English and Catalan; EN-DE is a pair.
        if second.isupper() and not first.isupper():
            continue
        if is_known(first) and is_known(second):
            codes = language_code(first), language_code(second)
            if codes.count(ENGLISH) == 1:
                return language_tag(first), language_tag(second)
    return None
