"""Readers: every row of an input becomes a `Pair`, or a `Reject` that says why it is none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BufferedIOBase
from itertools import zip_longest
from pathlib import Path

from mling_embed.corpora.archives import is_archive, open_members, open_plain
from mling_embed.corpora.inputs import CorpusInput, InputFormat
from mling_embed.corpora.lines import Decoding, Line, read_lines
from mling_embed.corpora.records import Pair, Reason, Reject
from mling_embed.errors import DataError, UsageError
from mling_embed.languages import ENGLISH

_BREAKS = re.compile(r"[ \t\r\n]*[\t\r\n][ \t\r\n]*")


def read_input(source: CorpusInput, *, decoding: Decoding = Decoding.QUARANTINE) -> Iterator[tuple[str, Pair | Reject]]:
    """Yield each row of an input with the file (or archive member) that it stands in.

    Raises:
        DataError: A file is missing or not in its format, or the sides of a Moses pair have unequal lengths.
        DamagedFileError: A compressed file is damaged.
    """
    if source.format is InputFormat.MOSES:
        label = str(source.paths[1])
        for row in read_moses(*source.paths, language=source.language, decoding=decoding):
            yield label, row
    elif source.format is InputFormat.HUGGINGFACE:
        from mling_embed.corpora.formats.hub import read_dataset

        for row in read_dataset(source):
            yield str(source.dataset), row
    elif is_archive(source.paths[0]):
        for name, stream in open_members(source.paths[0], source.member or "*"):
            label = f"{source.paths[0]}!{name}"
            for row in _read_stream(stream, source, label, decoding):
                yield label, row
    else:
        label = str(source.paths[0])
        with open_plain(source.paths[0]) as stream:
            for row in _read_stream(stream, source, label, decoding):
                yield label, row


def _read_stream(
    stream: BufferedIOBase, source: CorpusInput, where: str, decoding: Decoding
) -> Iterator[Pair | Reject]:
    match source.format:
        case InputFormat.TSV:
            return read_tsv(stream, source, where=where, decoding=decoding)
        case InputFormat.LINES:
            return read_english(stream, where=where, decoding=decoding)
        case InputFormat.JSONL:
            from mling_embed.corpora.formats.tabular import read_jsonl

            return read_jsonl(stream, source, where=where, decoding=decoding)
        case InputFormat.CSV:
            from mling_embed.corpora.formats.tabular import read_csv

            return read_csv(stream, source, where=where, decoding=decoding)
        case InputFormat.PARQUET:
            from mling_embed.corpora.formats.hub import read_parquet

            return read_parquet(stream, source, where=where)
        case InputFormat.TMX:
            from mling_embed.corpora.formats.tmx import read_tmx

            return read_tmx(stream, source, where=where)
        case InputFormat.PO:
            from mling_embed.corpora.formats.gettext import read_po

            return read_po(stream, source, where=where)
        case _:
            raise UsageError(f"{source.format} is not read from one file.", where=where)


def read_english(stream: BufferedIOBase, *, where: str, decoding: Decoding) -> Iterator[Pair | Reject]:
    """Yield each line as an English sentence without a translation."""
    for number, text, reason in read_lines(stream, decoding=decoding, where=where):
        yield Reject(reason, text, None, number) if reason else Pair(text, None, None, number)


def read_tsv(stream: BufferedIOBase, source: CorpusInput, *, where: str, decoding: Decoding) -> Iterator[Pair | Reject]:
    """Yield the rows of tab-separated lines; a tab always separates, there is no quoting.

    The first line sets the number of columns; a line with another number is `Reason.MALFORMED`. One column alone
    is English without translations, unless the input has a language. Rows that `CorpusInput.where` passes over are
    not told of.
    """
    lines = iter(read_lines(stream, decoding=decoding, where=where))
    first = next(lines, None) if source.header else None
    header = [] if first is None else first.text.split("\t")
    places = {part: _place(column, header, where) for part, column in source.columns.items()}
    wanted = [(_place(column, header, where), value) for column, value in source.where.items()]
    language, width = source.language, 0
    english, other, language_at = places.get("english", 0), places.get("other"), places.get("language")
    for number, text, reason in lines:
        if reason:
            yield Reject(reason, text, language, number)
            continue
        cells = text.split("\t")
        if not width:
            width = len(header or cells)
            if not source.columns and (width > 1 or language not in (None, ENGLISH)):
                other = 1
            _check_width(width, max(english, other or 0, language_at or 0), f"{where}:{number}")
        if len(cells) != width:
            yield Reject(Reason.MALFORMED, text, language, number)
            continue
        if any(cells[place] != value for place, value in wanted):
            continue
        yield Pair(
            cells[english],
            None if other is None else cells[other],
            language if language_at is None else cells[language_at],
            number,
        )


def _place(column: str | int, header: list[str], where: str) -> int:
    if column in header:
        return header.index(str(column))
    if header and isinstance(column, str):
        raise DataError(f"no column {column}; there are {', '.join(header)}.", where=where)
    try:
        return int(column)
    except ValueError:
        raise UsageError(
            f"column '{column}' of a TSV is not a number.", where=where, next_step="Count the columns from 0."
        ) from None


def _check_width(width: int, highest: int, where: str) -> None:
    if highest >= width:
        raise DataError(
            f"{width} column(s), expected at least {highest + 1}, separated by tabs.",
            where=where,
            next_step="Check the file's format, or name the columns.",
        )


def read_moses(english: Path, other: Path, *, language: str | None, decoding: Decoding) -> Iterator[Pair | Reject]:
    """Yield the pairs of two files whose lines correspond.

    Raises:
        DataError: One file has more lines than the other; both counts are named.
    """
    with open_plain(english) as english_stream, open_plain(other) as other_stream:
        lines = read_lines(english_stream, decoding=decoding, where=english)
        other_lines = read_lines(other_stream, decoding=decoding, where=other)
        for number, (ours, theirs) in enumerate(zip_longest(lines, other_lines), 1):
            if ours is None or theirs is None:
                rest = 1 + sum(1 for _ in lines) + sum(1 for _ in other_lines)
                counts = (number - 1, number - 1 + rest) if ours is None else (number - 1 + rest, number - 1)
                raise DataError(
                    f"{counts[0]:,} lines, but {other} has {counts[1]:,}: the two must correspond line by line.",
                    where=english,
                    next_step="Fetch both again, or align them.",
                )
            yield _joined(ours, theirs, language)


def _joined(ours: Line, theirs: Line, language: str | None) -> Pair | Reject:
    reason = ours.reason or theirs.reason
    if reason:
        return Reject(reason, f"{ours.text}\t{theirs.text}", language, ours.number)
    return Pair(ours.text, theirs.text, language, ours.number)


def on_one_line(text: str) -> str:
    """Return a text of a format that can hold line ends (JSON, CSV, TMX, PO) with spaces for them."""
    return _BREAKS.sub(" ", text) if "\n" in text or "\t" in text or "\r" in text else text
