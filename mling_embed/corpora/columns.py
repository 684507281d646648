"""Which columns of a table hold English and its translation: as their names say, or by what is in them."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mling_embed.corpora.corpus_input import CorpusInput
from mling_embed.corpora.english_side import Sides, english_side, is_english
from mling_embed.corpora.file_names import foreign_pair_in_name
from mling_embed.errors import DataError
from mling_embed.languages import ENGLISH, find_language, is_known, language_code, takes

logger = logging.getLogger(__name__)

SAMPLED = 200  # rows that are looked at
Key = int | str  # a column's place from 0, or its name
Texts = Mapping[Key, Sequence[str]]  # some cells of each column

# Names of the sides, without case and marks. Of each pair the first is English unless the rows say otherwise.
_SIDES = (
    ("english", "nonenglish"),
    ("english", "other"),
    ("source", "target"),
    ("src", "tgt"),
    ("src", "trg"),
    ("sourcetext", "targettext"),
    ("sourcesentence", "targetsentence"),
    ("srctext", "tgttext"),
    ("srctext", "trgtext"),
    ("sourcestring", "targetstring"),
    ("sourcestring", "translation"),
    ("sentence1", "sentence2"),
    ("text1", "text2"),
    ("original", "translation"),
    ("source", "translation"),
    ("text", "translation"),
    ("anchor", "positive"),
)
_ENGLISH = (*dict.fromkeys(first for first, _ in _SIDES), "sentence")
_OTHER = tuple(dict.fromkeys(second for _, second in _SIDES))
_LANGUAGE = ("language", "lang", "targetlanguage", "targetlang", "tgtlang", "trglang", "targetlocale", "locale")
_ENGLISH_LANGUAGE = ("sourcelanguage", "sourcelang", "srclang", "sourcelocale")
_USUAL = frozenset((*_ENGLISH, *_OTHER, *_LANGUAGE, *_ENGLISH_LANGUAGE, "score", "url", "domain"))
# Words that stand beside a language in a column's name: text_en, de_sentence.
_BESIDE = frozenset(
    ("text", "sentence", "sent", "segment", "seg", "title", "string", "source", "target", "translation", "column")
)

_NUMBER = re.compile(r"[\s\d.,:;/%+#()eE-]*\d[\s\d.,:;/%+#()eE-]*")
_ADDRESS = re.compile(r"(?:https?://|ftp://|www\.)\S+|\S+@\S+\.\w+")
_IDENTIFIER = re.compile(r"(?=\S*\d)[\w.:/#|-]+")
_MOST = 0.9
_LOOKED_AT = 200  # characters of a cell: the patterns take their square


class Content(StrEnum):
    """Name what a column holds, by its cells."""

    TEXT = "text"
    NUMBERS = "numbers"
    ADDRESSES = "addresses"
    IDENTIFIERS = "identifiers"
    LANGUAGES = "language codes"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Columns:
    """Say where the parts of a pair stand in a row.

    Attributes:
        english: The English text.
        other: The translation; `None` for English alone.
        language: What says the translation's language.
        english_language: What says the language of `english`; where that is not English, the sides are the other way.
        named: The translation's language, where its column's name says it.
    """

    english: Key
    other: Key | None = None
    language: Key | None = None
    english_language: Key | None = None
    named: str | None = None


def content_of(cells: Sequence[str]) -> Content:
    """Return what a column holds, by nine in ten of its cells that are not empty.

    >>> [str(content_of(cells)) for cells in (["17", "0.5"], ["de", "fr"], ["Hi.", "No."], ["s1", "s2"], [""])]
    ['numbers', 'language codes', 'text', 'identifiers', 'nothing']
    """
    cells = [cell.strip()[:_LOOKED_AT] for cell in cells if cell.strip()]
    if not cells:
        return Content.NOTHING
    if all(len(cell) <= 12 and cell[:2].isascii() and cell[:1].islower() and is_known(cell) for cell in cells):
        return Content.LANGUAGES
    for content, pattern in (
        (Content.NUMBERS, _NUMBER),
        (Content.ADDRESSES, _ADDRESS),
        (Content.IDENTIFIERS, _IDENTIFIER),
    ):
        if sum(pattern.fullmatch(cell) is not None for cell in cells) >= _MOST * len(cells):
            return content
    return Content.TEXT


def contents_of(texts: Texts) -> dict[Key, Content]:
    """Return what each column of a table holds.

    Beside one text no column is left to say its language: in a table of two, "yes" and "ja" are texts.

    >>> [str(content) for content in contents_of({0: ["yes", "no"], 1: ["ja", "no"]}).values()]
    ['text', 'text']
    """
    held = {key: content_of(cells) for key, cells in texts.items()}
    if len(held) >= 3:
        return held
    return {key: Content.TEXT if content is Content.LANGUAGES else content for key, content in held.items()}


def choose_columns(
    texts: Texts,
    source: CorpusInput,
    *,
    where: str,
    names: Mapping[Key, str] | None = None,
    pair: tuple[str, str] | None = None,
) -> Columns:
    """Choose the columns of a table without given ones.

    Args:
        texts: Some cells of each column, in the order of the columns.
        source: The input; its language helps to find the translations.
        where: The file, for errors.
        names: The columns' names, where they have any.
        pair: The two languages that the file's name says.

    Raises:
        DataError: No column can be told to be English, or what is there is no text, or not English.
    """
    held = contents_of(texts)
    found = None if names is None else columns_named(names, source, held)
    by_name = found is not None
    if found is None and (names is None or not any(map(is_speaking, names.values()))):
        found = _by_content(texts, held, source, pair)
    if found is None:
        raise _unclear(texts, held, names, where)
    if found.other is not None and held[found.other] not in (Content.TEXT, Content.NOTHING) and not by_name:
        raise _unclear(texts, held, names, where)
    if held[found.english] not in (Content.TEXT, Content.NOTHING):
        raise DataError(
            f"column {_shown(found.english, names)} holds {held[found.english]}, expected English text.",
            where=where,
            next_step=advice(names),
        )
    if by_name and _languages_named(found, names or {}):
        return found
    return _turned(found, texts, source, names, where)


def columns_named(names: Mapping[Key, str], source: CorpusInput, held: Mapping[Key, Content]) -> Columns | None:
    """Return the columns that names say, with the language of the file's name where they leave it open."""
    return by_names(names, source.language, held) or by_names(names, source.assumed, held)


def by_names(
    names: Mapping[Key, str], language: str | None, held: Mapping[Key, Content] | None = None
) -> Columns | None:
    """Return the columns that names say, or `None` if they do not say both sides of a pair, or English alone.

    A name that means a language wins (``en``, ``EN``, ``eng``, ``German``, ``text_de``, ``translation.pt-BR``), then
    the usual names of sides (``source`` and ``target``). Columns that hold numbers and the like are no texts.
    """
    usable = {
        key: name
        for key, name in names.items()
        if held is None or held.get(key) in (Content.TEXT, Content.NOTHING, None)
    }
    meant = {key: code for key, name in usable.items() if (code := _language_of(name, language)) is not None}
    plain = {_plain(name): key for key, name in reversed(list(usable.items()))}
    every = {_plain(name): key for key, name in reversed(list(names.items()))}
    english = next((key for key, code in meant.items() if code == ENGLISH), None)
    other = _other_named(names, meant, language)
    named = None if other is None else meant[other]
    if english is None:
        first, second = next(((a, b) for a, b in _SIDES if a in plain and b in plain), (None, None))
        if other is not None:
            english = next((plain[name] for name in _ENGLISH if name in plain), None)
        elif first is not None and second is not None:
            english, other = plain[first], plain[second]
    elif other is None:
        other = next((plain[name] for name in _OTHER if name in plain and plain[name] != english), None)
    if english is None or (other is None and language is not None and language_code(language) != ENGLISH):
        return None
    if other is None and len({code for code in meant.values() if code != ENGLISH}) > 1:
        return None
    if named is not None:
        return Columns(english, other, named=None if language is not None else named)
    return Columns(
        english,
        other,
        language=next((every[name] for name in _LANGUAGE if name in every), None),
        english_language=next((every[name] for name in _ENGLISH_LANGUAGE if name in every), None),
    )


def _other_named(names: Mapping[Key, str], meant: Mapping[Key, str], language: str | None) -> Key | None:
    """Return the column of translations that its name says: that asked for, or the only one."""
    others = {key: code for key, code in meant.items() if code != ENGLISH}
    if language is None:
        return next(iter(others)) if len(set(others.values())) == 1 else None
    exact = [key for key, code in others.items() if code == language_code(language)]
    return next(iter(exact or [key for key, code in others.items() if takes(language, code)]), None)


def is_speaking(name: str) -> bool:
    """Tell whether a column's name says what it holds: a side, a language, or the like."""
    return _plain(name) in _USUAL or _language_of(name) is not None


def readable_languages(columns: Columns, texts: Texts, language: str | None) -> Columns:
    """Return the columns without those of languages if a language is asked for and nothing in them can be read as one.

    ``language: "text/plain"`` beside ``FILE:de`` says nothing; ``language: "fr"`` says that a row is not German.
    """
    keep = dict.fromkeys(("language", "english_language"))
    for part in keep:
        key = getattr(columns, part)
        cells = [] if key is None else [cell for cell in texts.get(key, ()) if cell]
        if language is None or any(find_language(cell) for cell in cells):
            keep[part] = key
    return Columns(columns.english, columns.other, keep["language"], keep["english_language"], columns.named)


def advice(names: Mapping[Key, str] | None) -> str:
    """Return how columns are named on the command line, with names or numbers that this file has."""
    first, second = [*names.values(), "NAME", "NAME"][:2] if names else (0, 1)
    how = "" if names else " (columns count from 0)"
    return f"Name the columns: FILE:LANGUAGE,english={first},other={second}{how}."


def _language_of(name: str, language: str | None = None) -> str | None:
    """Return the code of the language that a column's name means, the last part of a path alone.

    Codes of three letters (``src``, ``row`` and ``url`` are some) count if `language` is asked for, or with a script.
    """
    last = name.rpartition(".")[2].strip()
    if _plain(last) in _USUAL:
        return ENGLISH if _plain(last) == "english" else None
    words = [word for word in re.split(r"[\W_]+", last) if word.casefold() not in _BESIDE]
    tried = [last, words[0]] if len(words) == 1 else [last]
    for code in filter(None, map(find_language, tried)):
        usual = len(code.split("-")[0]) == 2 or re.search(r"[-_][A-Z][a-z]{3}$", last)
        if usual or (language is not None and takes(language, code)):
            return code
    return None


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())


def _languages_named(columns: Columns, names: Mapping[Key, str]) -> bool:
    """Tell whether the names say both languages, so that nothing else is to be asked."""
    if columns.english_language is not None:
        return True
    return _language_of(names.get(columns.english, "")) == ENGLISH


def _by_content(
    texts: Texts, held: Mapping[Key, Content], source: CorpusInput, pair: tuple[str, str] | None
) -> Columns | None:
    """Return the first two columns of text, and what says their languages; English first unless `pair` says not."""
    found = [key for key, content in held.items() if content is Content.TEXT]
    if len(held) == 1:
        alone = source.language is None or language_code(source.language) == ENGLISH
        return Columns(next(iter(held))) if alone else None
    # A label is the same in all rows, or nearly: left out if enough remains.
    varied = [key for key in found if len(set(texts[key])) > max(1, len(texts[key]) // 20)]
    found = varied if len(varied) >= 2 else found
    if len(found) < 2:
        return None
    english, other = found[:2]
    codes = [key for key, content in held.items() if content is Content.LANGUAGES]
    if len(codes) >= 2:
        return Columns(english, other, language=codes[1], english_language=codes[0])
    language = codes[0] if codes else None
    if pair is not None and language_code(pair[0]) != ENGLISH:
        english, other = other, english
    return Columns(english, other, language)


def _turned(
    columns: Columns, texts: Texts, source: CorpusInput, names: Mapping[Key, str] | None, where: str
) -> Columns:
    """Return the columns with the English one as English, by a look at both.

    Raises:
        DataError: Neither is English.
    """
    if columns.english_language is not None:
        return columns
    first = texts[columns.english]
    if columns.other is None:
        sides = Sides.UNCLEAR if is_english(first) else Sides.NEITHER
    else:
        sides = english_side(first, texts[columns.other], language=source.assumed or columns.named)
    shown = f"as far as {len(first)} row(s) show"
    if sides is Sides.UNCLEAR and (foreign := foreign_pair_in_name(where.rpartition(":")[0] or where)) is not None:
        sides, shown = Sides.NEITHER, f"as the file's name says: {' and '.join(foreign)}"
    if sides is Sides.NEITHER:
        raise DataError(
            f"column {_shown(columns.english, names)} is not English, {shown}.", where=where, next_step=advice(names)
        )
    if sides is Sides.SWAPPED and columns.other is not None:
        logger.warning("%s: column %s is taken as the English one, by its words", where, _shown(columns.other, names))
        return Columns(columns.other, columns.english, columns.language, None, columns.named)
    return columns


def _unclear(texts: Texts, held: Mapping[Key, Content], names: Mapping[Key, str] | None, where: str) -> DataError:
    listed = ", ".join(f"{_shown(key, names)} ({held[key]})" for key in texts) or "none"
    return DataError(
        f"no column of English and one of translations can be told; there are {listed}.",
        where=where,
        next_step=advice(names),
    )


def _shown(key: Key, names: Mapping[Key, str] | None) -> str:
    return str(key) if names is None else names.get(key, str(key))
