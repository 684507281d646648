"""Rows with quoted cells, as spreadsheets write them: one that is sloppy costs itself alone, never those after it."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from mling_embed.corpora.cell_rows import Row
from mling_embed.corpora.lines import LINE_LIMIT, Line, on_one_line
from mling_embed.corpora.records import Reason, Reject

QUOTE = '"'
_SPAN = 200  # lines that one row may go over
_DELIMITERS = (",", ";", "\t", "|")


def quoted_rows(lines: Iterable[Line], delimiter: str, *, language: str | None = None) -> Iterator[Row | Reject]:
    """Yield the rows of lines as RFC 4180 has them; empty lines are none.

    A row goes on while a quote is open. One whose quotes do not fit is `Reason.MALFORMED` in its first line, and the
    next line begins a row again.

    Args:
        lines: The lines.
        delimiter: What stands between cells.
        language: The language that rejects carry.
    """
    waiting, rest = deque[Line](), iter(lines)

    def take() -> Line | None:
        return waiting.popleft() if waiting else next(rest, None)

    while (line := take()) is not None:
        if line.reason:
            yield Reject(line.reason, line.text, language, line.number)
            continue
        if QUOTE not in line.text:
            if line.text:
                yield Row(line.number, line.text.split(delimiter), line.text)
            continue
        held, quotes, size = [line], line.text.count(QUOTE), len(line.text)
        while quotes % 2 and len(held) < _SPAN and size < LINE_LIMIT and (more := take()) is not None:
            held.append(more)
            if more.reason:
                break
            quotes, size = quotes + more.text.count(QUOTE), size + len(more.text)
        cells = None if quotes % 2 or held[-1].reason else _cells([each.text for each in held], delimiter)
        if cells is None:
            waiting.extendleft(reversed(held[1:]))
            yield Reject(Reason.MALFORMED, line.text, language, line.number)
        else:
            yield Row(line.number, cells, "\n".join(each.text for each in held))


def _cells(texts: Sequence[str], delimiter: str) -> list[str] | None:
    """Return the cells of one row, or `None` if it is none."""
    try:
        rows = list(csv.reader((f"{text}\n" for text in texts), delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    return [on_one_line(cell) for cell in rows[0]] if len(rows) == 1 else None


def delimiter_of(lines: Sequence[Line]) -> str:
    """Return what stands between the cells of a CSV: what parts most of its first lines into as many cells."""
    texts = [line.text for line in lines if line.text and not line.reason]
    best, most = _DELIMITERS[0], (0, 0)
    for delimiter in _DELIMITERS:
        widths = [_width(text, delimiter) for text in texts]
        width = widths[0] if widths else 0
        if width > 1 and (widths.count(width), width) > most and widths.count(width) * 2 > len(widths):
            best, most = delimiter, (widths.count(width), width)
    return best


def _width(text: str, delimiter: str) -> int:
    try:
        return len(next(csv.reader([text], delimiter=delimiter)))
    except csv.Error:
        return 0


def are_quoted(lines: Sequence[Line], delimiter: str) -> bool:
    """Tell whether a program quoted the cells of lines: all of them, or those with a quote in them, which it doubled.

    A text that only begins or ends with a quote is none of these, and is kept as it is.
    """
    rows = [line.text.split(delimiter) for line in lines if line.text and not line.reason]
    doubled, every = False, bool(rows)
    for cell in chain.from_iterable(rows):
        if QUOTE not in cell:
            every = every and not cell
            continue
        inner = cell[1:-1]
        if len(cell) < 2 or cell[0] != QUOTE or cell[-1] != QUOTE or QUOTE in inner.replace(QUOTE * 2, ""):
            return False
        doubled = doubled or QUOTE * 2 in inner
    return doubled or every
