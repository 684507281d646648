"""Readers of rows with named columns: JSON lines and CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from io import BufferedIOBase
from typing import Any, cast

from mling_embed.corpora.inputs import CorpusInput
from mling_embed.corpora.lines import LINE_LIMIT, Decoding, read_lines, to_utf8
from mling_embed.corpora.readers import on_one_line
from mling_embed.corpora.records import Pair, Reason, Reject
from mling_embed.errors import DataError
from mling_embed.languages import ENGLISH

ENGLISH_NAMES = ("english", "en", "source", "sentence1")
OTHER_NAMES = ("other", "non_english", "translation", "target", "sentence2")
LANGUAGE_NAMES = ("language", "lang")


def column_names(source: CorpusInput, present: Mapping[str, Any] | list[str], where: str) -> dict[str, str]:
    """Return the column of each part: as given, else by the usual names.

    Raises:
        DataError: A column is not there, or no column can be told to be English.
    """
    names = {part: str(column) for part, column in source.columns.items()}
    if not names:
        usual = {"english": ENGLISH_NAMES, "other": (*OTHER_NAMES, source.language or ""), "language": LANGUAGE_NAMES}
        for part, candidates in usual.items():
            if found := [name for name in candidates if name in present]:
                names[part] = found[0]
        if "other" not in names and source.language not in (None, ENGLISH) and "english" in names:
            what = f"no column of translations; there are {', '.join(map(str, present))}."
            raise DataError(what, where=where, next_step="Name the columns: english, other, language.")
    missing = [name for name in names.values() if name.partition(".")[0] not in present]
    if missing or "english" not in names:
        what = f"no column {', '.join(missing) or 'of English'}; there are {', '.join(map(str, present)) or 'none'}."
        raise DataError(what, where=where, next_step="Name the columns: english, other, language.")
    return names


def pair_of(row: Mapping[str, Any], names: Mapping[str, str], language: str | None, number: int) -> Pair | Reject:
    """Return the pair that a row's columns hold, or a `Reason.MALFORMED` reject if one is not text."""
    values = {part: _value(row, name) for part, name in names.items()}
    other = values.get("other")
    named = values.get("language", language)
    wrong = not isinstance(values["english"], str) or ("other" in names and not isinstance(other, str))
    if wrong or not (named is None or isinstance(named, str)):
        shown = json.dumps(row, ensure_ascii=False, default=str)
        return Reject(Reason.MALFORMED, shown, named if isinstance(named, str) else language, number)
    return Pair(on_one_line(values["english"]), None if other is None else on_one_line(other), named, number)


def _value(row: Mapping[str, Any], name: str) -> Any:
    if name in row:
        return row[name]
    value: Any = row
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def read_jsonl(
    stream: BufferedIOBase, source: CorpusInput, *, where: str, decoding: Decoding
) -> Iterator[Pair | Reject]:
    """Yield the rows of JSON lines; what is not an object with the columns as text is `Reason.MALFORMED`."""
    names: dict[str, str] = {}
    for number, text, reason in read_lines(stream, decoding=decoding, where=where):
        if reason:
            yield Reject(reason, text, source.language, number)
            continue
        try:
            row = json.loads(text)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            yield Reject(Reason.MALFORMED, text, source.language, number)
            continue
        names = names or column_names(source, row, f"{where}:{number}")
        yield pair_of(row, names, source.language, number)


def read_csv(stream: BufferedIOBase, source: CorpusInput, *, where: str, decoding: Decoding) -> Iterator[Pair | Reject]:
    """Yield the rows of a CSV as RFC 4180 has it; the first row names the columns unless they are numbers.

    The line of a row is the one that it ends on.

    Raises:
        DataError: A quoted field never ends, or `decoding` is strict and a field is not UTF-8.
    """
    errors = {Decoding.STRICT: "strict", Decoding.REPLACE: "replace"}.get(decoding, "surrogateescape")
    csv.field_size_limit(LINE_LIMIT)
    text = io.TextIOWrapper(cast(io.BufferedReader, stream), encoding="utf-8-sig", errors=errors, newline="")
    rows = csv.reader(text, strict=True)
    names: dict[str, str] = {}
    header: list[str] = []
    numbered = bool(source.columns) and all(isinstance(column, int) for column in source.columns.values())
    try:
        for cells in rows:
            if not header:
                header = [str(place) for place in range(len(cells))] if numbered else cells
                names = column_names(source, header, f"{where}:{rows.line_num}")
                if not numbered:
                    continue
            if not cells:
                continue
            if any(not cell.isascii() and _is_escaped(cell) for cell in cells):
                shown = ",".join(cells).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
                yield Reject(Reason.UNDECODABLE, shown, source.language, rows.line_num)
            elif len(cells) != len(header):
                yield Reject(Reason.MALFORMED, ",".join(cells), source.language, rows.line_num)
            else:
                yield pair_of(dict(zip(header, cells, strict=True)), names, source.language, rows.line_num)
    except csv.Error as error:
        raise DataError(
            f"not CSV ({error}).", where=f"{where}:{rows.line_num}", next_step="Look for a quote that is not closed."
        ) from None
    except UnicodeDecodeError as error:
        what = f"not UTF-8 ({error.reason})."
        raise DataError(what, where=f"{where}:{rows.line_num + 1}", next_step=to_utf8(where)) from None
    finally:
        text.detach()


def _is_escaped(cell: str) -> bool:
    try:
        cell.encode()
    except UnicodeEncodeError:
        return True
    return False
