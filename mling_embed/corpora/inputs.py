"""What a word of the command line means as an input: ``FILE:LANGUAGE``, with columns after it, or two files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mling_embed.corpora.archives import MEMBER_MARK, holds_members, is_archive, member_names, plain_name
from mling_embed.corpora.corpus_input import LINES, PARTS, CorpusInput
from mling_embed.corpora.file_names import language_in_name, language_of_side, pair_in_name
from mling_embed.corpora.formats import suffixes
from mling_embed.errors import DataError, UsageError
from mling_embed.languages import ENGLISH, find_language, is_known, language_code, language_tag, takes

__all__ = ["CorpusInput", "guess_input", "monolingual_input"]

_ABOUT = re.compile(r"(?i)readme|licen[cs]e|copying|_?about|info\b")
_COLUMN = re.compile(rf"({'|'.join(PARTS)})=(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Word:
    location: str
    language: str | None
    columns: dict[str, str | int]


def guess_input(text: str, *, name: str = "") -> CorpusInput:
    """Return the input that a command-line word means.

    ``FILE:LANGUAGE``, with ``,english=2,other=4`` after it where the columns must be named (numbers from 0, or names);
    ``ENGLISH,OTHER:LANGUAGE`` for two line-aligned files; ``ARCHIVE.zip!PATTERN`` for members of an archive or a
    folder; an archive of two line-aligned members needs no pattern. The format goes by the suffix, compression aside.
    Without a language, the names are looked at (``news.en-de.tsv``, ``news.de``), and the rows may say it.

    Raises:
        UsageError: The format or the language cannot be told.
        DataError: There is no such file.
    """
    word = _split(text)
    first, comma, second = _sides(word.location)
    if comma:
        return _moses(_located(first), _located(second), word, name)
    path, member = _located(word.location)
    if member is None and holds_members(path):
        return _whole_archive(path, word, name)
    named = member if member is not None else path.name
    suffix = Path(plain_name(Path(named))).suffix.lower()
    if suffix not in suffixes():
        raise UsageError(
            f"no format goes by the suffix '{suffix}'.",
            where=word.location,
            next_step=f"Use one of {' '.join(suffixes())} (.gz .xz .bz2 .zst after it), 'ENGLISH,OTHER:LANGUAGE' for "
            f"two line-aligned files, or 'ARCHIVE.zip{MEMBER_MARK}*.tsv' for members.",
        )
    return CorpusInput(
        paths=(path,),
        members=(member,),
        format=suffixes()[suffix],
        language=word.language,
        named_language=None if "*" in named else language_in_name(named),
        name=name,
        columns=word.columns,
    )


def monolingual_input(text: str) -> CorpusInput:
    """Return the input that a command-line word means: ``FILE:LANGUAGE``, sentences one a line.

    Raises:
        UsageError: The language cannot be told.
    """
    word = _split(text)
    path, member = _located(word.location)
    language = word.language or language_in_name(path.name)
    if language is None:
        raise UsageError(
            "in which language are its sentences?", where=text, next_step=f"Name it after the file: {text}:fi"
        )
    return CorpusInput(paths=(path,), members=(member,), format=LINES, language=language)


def _split(text: str) -> _Word:
    """Return the location, the language and the columns that a word is made of."""
    location, language, columns = text, None, dict[str, str | int]()
    while not Path(location).exists():
        place = max(location.rfind(":"), location.rfind(","))
        head, mark, tail = location[:place], location[place : place + 1], location[place + 1 :]
        if place <= 0:
            break
        if column := _COLUMN.fullmatch(tail):
            value = column.group(2)
            columns.setdefault(column.group(1), int(value) if value.isdecimal() else value)
        elif mark == ":" and language is None and "/" not in tail and "\\" not in tail:
            language = _language(tail)
        else:
            break
        location = head
    return _Word(location, language, columns)


def _language(text: str) -> str:
    """Return the language that a user names, by a code or a word such as German."""
    return language_tag(text) if is_known(text) else find_language(text) or language_tag(text)


def _sides(location: str) -> tuple[str, str, str]:
    """Return the two files of a Moses pair, with the comma between them; no comma if it is one file."""
    if Path(location).exists():
        return location, "", ""
    commas = [mark.start() for mark in re.finditer(",", location)]
    halves = [(location[:place], ",", location[place + 1 :]) for place in commas]
    there = [half for half in halves if all(_located(side)[0].exists() for side in (half[0], half[2]))]
    return (there or halves or [(location, "", "")])[0]


def _located(text: str) -> tuple[Path, str | None]:
    """Return a path, and the pattern of members after it where it is of an archive or a folder."""
    if not Path(text).exists():
        for mark in re.finditer(re.escape(MEMBER_MARK), text):
            path = Path(text[: mark.start()])
            if is_archive(path) or path.is_dir():
                return path, text[mark.end() :] or None
    return Path(text), None


def _moses(first: tuple[Path, str | None], second: tuple[Path, str | None], word: _Word, name: str) -> CorpusInput:
    """Return two line-aligned files as an input, the English one first as far as names say."""
    if word.columns:
        raise UsageError("two line-aligned files have no columns.", where=word.location)
    sides = [first, second]
    named = [language_of_side(str(member or path)) for path, member in sides]
    english = [said is not None and language_code(said) == ENGLISH for said in named]
    if english == [False, True]:
        sides.reverse()
        named.reverse()
    named_language = named[1] if any(english) else language_in_name(str(sides[1][1] or sides[1][0]))
    return CorpusInput(
        paths=tuple(path for path, _ in sides),
        members=tuple(member for _, member in sides),
        format="moses",
        language=word.language,
        named_language=named_language,
        name=name,
    )


def _whole_archive(path: Path, word: _Word, name: str) -> CorpusInput:
    """Return what an archive or a folder holds as an input: two line-aligned members, or all in the one format."""
    names = member_names(path)
    if pair := _moses_pair(names, word.language):
        return _moses((path, pair[0]), (path, pair[1]), word, name)
    found: dict[str, list[str]] = {}
    for member in names:
        suffix = Path(plain_name(Path(member))).suffix.lower()
        if suffix in suffixes() and not _ABOUT.match(Path(member).name):
            found.setdefault(suffix, []).append(member)
    if len(found) != 1:
        shown = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
        raise DataError(
            f"which of its members are meant? It holds {shown or 'none'}.",
            where=path,
            next_step=f"Name them: '{path}{MEMBER_MARK}*.tsv:LANGUAGE', or for two line-aligned ones "
            f"'{path}{MEMBER_MARK}A.en,{path}{MEMBER_MARK}A.de'.",
        )
    ((suffix, members),) = found.items()
    alone = members[0] if len(members) == 1 else None
    return CorpusInput(
        paths=(path,),
        members=(alone or _pattern(suffix, members),),
        format=suffixes()[suffix],
        language=word.language,
        named_language=language_in_name(alone or path.name) or language_in_name(path.name),
        name=name,
        columns=word.columns,
    )


def _pattern(suffix: str, members: list[str]) -> str:
    """Return the pattern of members of one format, as far as they are compressed alike."""
    ends = {Path(member).suffix for member in members}
    packed = ends.pop() if len(ends) == 1 else "*"
    return f"*{suffix}" if packed.lower() == suffix else f"*{suffix}{packed}"


def _moses_pair(names: list[str], language: str | None) -> tuple[str, str] | None:
    """Return the English member and the one of the same stem in another language, or in that asked for."""
    for english in names:
        stem, _, said = english.rpartition(".")
        if not stem or not is_known(said) or language_code(said) != ENGLISH:
            continue
        others = [other for other in names if other.rpartition(".")[0] == stem and is_known(other.rpartition(".")[2])]
        others = [other for other in others if language_code(other.rpartition(".")[2]) != ENGLISH]
        if language is not None:
            others = [other for other in others if takes(language, other.rpartition(".")[2])]
        pair = pair_in_name(stem)
        if pair is not None:
            others = [other for other in others if any(takes(said, other.rpartition(".")[2]) for said in pair)]
        if len(others) == 1:
            return english, others[0]
    return None
