"""Rows of cells to pairs: what TSV, CSV and spreadsheets have in common."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from typing import NamedTuple

from mling_embed.corpora.columns import (
    SAMPLED,
    Columns,
    Key,
    advice,
    choose_columns,
    columns_named,
    contents_of,
    readable_languages,
)
from mling_embed.corpora.corpus_input import CorpusInput
from mling_embed.corpora.file_names import pair_in_name
from mling_embed.corpora.records import Pair, Reason, Reject
from mling_embed.errors import DataError
from mling_embed.languages import ENGLISH, UNKNOWN_LANGUAGE, find_language, language_code

_SENTENCE = re.compile(r".*\w.*[.!?。？！।]\s*|(?:\S+\s+){3,}\S+")


class Row(NamedTuple):
    """Hold the cells of one row, the line that it begins on, and its text as it stands in the file."""

    line: int
    cells: list[str]
    text: str


class _Layout(NamedTuple):
    columns: Columns
    width: int
    wanted: list[tuple[int, str]]
    header: bool

    def plain_places(self) -> tuple[int, int] | None:
        """Return where the two texts stand, if there is nothing else to look at in a row."""
        english, other = self.columns.english, self.columns.other
        looked_at = self.wanted or self.columns.language is not None or self.columns.english_language is not None
        return None if looked_at or not (isinstance(english, int) and isinstance(other, int)) else (english, other)


def cell_pairs(
    rows: Iterator[Row | Reject], source: CorpusInput, *, where: str, needs_header: bool
) -> Iterator[Pair | Reject]:
    """Yield the pair of each row; one with another number of cells than the first is `Reason.MALFORMED`.

    Rows that `CorpusInput.where` passes over are not told of.

    Args:
        rows: The rows, and what is none.
        source: The input.
        where: The file, for errors.
        needs_header: Whether the first row names the columns, if nothing says that it does not.

    Raises:
        DataError: A column is missing, or none can be told to hold English.
    """
    sampled = list(islice(rows, SAMPLED + 1))
    layout = _layout([row for row in sampled if isinstance(row, Row)], source, where, needs_header=needs_header)
    passed = not (layout and layout.header)
    places = layout.plain_places() if layout else None
    said = layout.columns.named or source.assumed if layout else None
    for row in chain(sampled, rows):
        if isinstance(row, Reject):
            yield row
        elif not passed:
            passed = True  # the header
        elif layout is None or len(row.cells) != layout.width:
            yield Reject(Reason.MALFORMED, row.text, source.assumed, row.line)
        elif places is not None:
            yield Pair(row.cells[places[0]], row.cells[places[1]], said, row.line)
        elif all(row.cells[place] == value for place, value in layout.wanted):
            yield pair_of(dict(enumerate(row.cells)), layout.columns, source.assumed, row.line, row.text)


def _layout(rows: list[Row], source: CorpusInput, where: str, *, needs_header: bool) -> _Layout | None:
    """Return where the parts stand, by the rows that were sampled; `None` without any row."""
    if not rows:
        return None
    first, where_first = rows[0], f"{where}:{rows[0].line}"
    width = len(first.cells)
    header = _has_header(first.cells, [row.cells for row in rows[1:] if len(row.cells) == width], source, needs_header)
    names = dict[Key, str](enumerate(first.cells)) if header else None
    if source.columns:
        columns, wanted = _given(source, names, width, where, where_first)
        return _Layout(columns, width, wanted, header)
    body = [row.cells for row in rows[header:] if len(row.cells) == width]
    if not body:
        return _Layout(Columns(0, 1 if width > 1 else None), width, [], header)
    if width == 1 and source.language is not None and language_code(source.language) != ENGLISH:
        what = "1 column, expected at least 2."
        raise DataError(what, where=where_first, next_step="Check the file's format: what stands between the columns?")
    texts: dict[Key, list[str]] = {place: [cells[place] for cells in body] for place in range(width)}
    chosen = choose_columns(texts, source, where=where_first, names=names, pair=pair_in_name(where))
    columns = readable_languages(chosen, texts, source.language)
    wanted = [(_place(column, names, width, where, where_first), value) for column, value in source.where.items()]
    return _Layout(columns, width, wanted, header)


def _has_header(cells: list[str], body: list[list[str]], source: CorpusInput, needs_header: bool) -> bool:
    if source.header is not None:
        return source.header
    if any(isinstance(column, str) and not column.isdigit() for column in source.columns.values()):
        return True
    if len(cells) > 1 and all(map(_is_name, cells)):
        held = contents_of({place: [row[place] for row in body] for place in range(len(cells))})
        if columns_named(dict[Key, str](enumerate(cells)), source, held) is not None:
            return True
    if source.columns or not needs_header:
        return False
    return all(map(_is_name, cells))


def _is_name(cell: str) -> bool:
    return len(cell) <= 60 and not _SENTENCE.fullmatch(cell)


def _given(
    source: CorpusInput, names: Mapping[Key, str] | None, width: int, where: str, first: str
) -> tuple[Columns, list[tuple[int, str]]]:
    """Return the places of the columns that the input names, and of those by which rows are chosen."""
    places = {part: _place(column, names, width, where, first) for part, column in source.columns.items()}
    wanted = [(_place(column, names, width, where, first), value) for column, value in source.where.items()]
    for part, wanted_too in (("english", True), ("other", source.language is not None)):
        free = [place for place in range(width) if place not in places.values()]
        if part not in places and wanted_too and width > 1:
            if len(free) != 1:
                raise DataError(f"which column is {part}?", where=first, next_step=f"Say it too: {part}={free[0]}.")
            places[part] = free[0]
    return Columns(places.get("english", 0), places.get("other"), places.get("language")), wanted


def _place(column: str | int, names: Mapping[Key, str] | None, width: int, where: str, first: str) -> int:
    """Return the place of a column that is given as a name or a number."""
    if names is not None and column in names.values():
        return next(int(key) for key, name in names.items() if name == column)
    if isinstance(column, str) and not column.isdigit():
        listed = "no header" if names is None else ", ".join(names.values())
        raise DataError(f"no column {column}; there are {listed}.", where=where, next_step=advice(names))
    if int(column) >= width:
        raise DataError(
            f"{width} column(s), expected at least {int(column) + 1}.",
            where=first,
            next_step="Check the file's format, or name other columns (they count from 0).",
        )
    return int(column)


def pair_of(
    cells: Mapping[Key, object], columns: Columns, language: str | None, line: int, shown: str
) -> Pair | Reject:
    """Return the pair that a row's columns hold, or a reject.

    Args:
        cells: The row.
        columns: Where the parts stand in it.
        language: The language asked for.
        line: Where the row stands.
        shown: The row's text, for a reject.
    """
    english, other = cells.get(columns.english), None if columns.other is None else cells.get(columns.other)
    named = None if columns.language is None else cells.get(columns.language)
    spoken = None if columns.english_language is None else cells.get(columns.english_language)
    said = _said(named) or columns.named or language
    texts = [english] if columns.other is None else [english, other]
    labels = [label for label in (named, spoken) if label is not None]
    if not all(isinstance(text, str) for text in (*texts, *labels)):
        return Reject(Reason.MALFORMED, shown, said, line)
    if columns.english_language is not None and find_language(str(spoken)) != ENGLISH:
        if columns.language is not None and find_language(str(named)) != ENGLISH:
            return Reject(Reason.NO_ENGLISH, shown, said, line)
        english, other, said = other, english, _said(spoken) or language
    if columns.other is None:
        return Pair(str(english), None, None, line)
    if said is None and (columns.language is not None or columns.english_language is not None):
        return Reject(Reason.UNKNOWN_LANGUAGE, shown, UNKNOWN_LANGUAGE, line)
    return Pair(str(english), str(other), said, line)


def _said(value: object) -> str | None:
    """Return the language that a cell names: its code, or what stands there if it means none."""
    if not isinstance(value, str) or not value.strip():
        return None
    return find_language(value) or value.strip()
