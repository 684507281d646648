"""Lines of a file as bytes have them: split at LF alone, decoded one by one, never buffered without end."""

from __future__ import annotations

import codecs
import re
import shlex
from collections.abc import Iterator
from enum import StrEnum
from io import BufferedIOBase
from pathlib import Path
from typing import NamedTuple

from mling_embed.corpora.records import Reason
from mling_embed.errors import DataError

LINE_LIMIT = 1 << 20
_SHOWN = 200  # bytes of an overlong line that are kept to show it
_MARKS = (  # UTF-32 first: its little-endian mark begins as that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BREAKS = re.compile("[ \t\r\n\v\f\x85]*[\t\r\n\v\f\x85][ \t\r\n\v\f\x85]*")  # U+2028 is text


class Decoding(StrEnum):
    """Choose what becomes of a line that is not UTF-8: an error, a rejected line, or U+FFFD in its place."""

    STRICT = "strict"
    QUARANTINE = "quarantine"
    REPLACE = "replace"


class Line(NamedTuple):
    """Hold one line: its number from 1, its text without the line end, and why it cannot be used, if so."""

    number: int
    text: str
    reason: Reason | None = None


def read_lines(
    stream: BufferedIOBase,
    *,
    decoding: Decoding = Decoding.QUARANTINE,
    limit: int = LINE_LIMIT,
    where: str | Path = "stream",
) -> Iterator[Line]:
    r"""Yield the lines of a binary stream.

    Only LF ends a line; one CR before it is dropped; a lone CR, NEL and U+2028 are text. A byte-order mark is dropped
    at byte 0 only; UTF-16 and UTF-32 are read too. A last line without LF counts; nothing after a last LF does not.

    Args:
        stream: The bytes.
        decoding: What becomes of a line that is not UTF-8.
        limit: The most bytes of a line; a longer one comes back as `Reason.TOO_LONG` with its beginning,
            and is never held in memory.
        where: The file's name, for errors.

    Raises:
        DataError: A line is not UTF-8 and `decoding` is strict.

    >>> import io
    >>> [line.text for line in read_lines(io.BytesIO(b"\xef\xbb\xbfa\r\nb\rc\n\nd"))]
    ['a', 'b\rc', '', 'd']
    """
    number = 0
    for blob, too_long in _blobs(stream, limit):
        if too_long:
            number += 1
            yield Line(number, blob[:_SHOWN].decode("utf-8", "replace"), Reason.TOO_LONG)
            continue
        try:
            texts = blob.decode("utf-8").split("\n")
        except UnicodeDecodeError:
            for raw in blob.split(b"\n"):
                number += 1
                yield _decoded(raw, number, decoding, where)
            continue
        for text in texts:
            number += 1
            yield Line(number, text.removesuffix("\r"))


def _blobs(stream: BufferedIOBase, limit: int) -> Iterator[tuple[bytes, bool]]:
    """Yield runs of whole lines joined by LF, and the beginnings of overlong lines (marked `True`)."""
    carry, skipping = b"", False
    for block in _blocks(stream, limit):
        head, newline, rest = block.partition(b"\n")
        if skipping:
            if not newline:
                continue
            carry, skipping, block = b"", False, rest
            head, newline, rest = block.partition(b"\n")
        # Only the block's first line continues the carry; the others are shorter than a block, so than the limit.
        first = carry + head
        if len(first) - first.endswith(b"\r") > limit and (newline or len(first) > limit + 1):
            yield first, True
            carry, skipping = b"", not newline
            if not newline:
                continue
            block = rest
        else:
            block = carry + block
        whole, newline, carry = block.rpartition(b"\n")
        if newline:
            yield whole, False
    if carry:
        yield carry, len(carry) - carry.endswith(b"\r") > limit


def _blocks(stream: BufferedIOBase, limit: int) -> Iterator[bytes]:
    """Yield the stream as UTF-8, at most `limit` bytes at a time, without its byte-order mark."""
    start = stream.read(max(limit // 2, 4))
    encoding = encoding_of(start)
    if encoding is None:
        if start := start.removeprefix(codecs.BOM_UTF8):
            yield start
        while block := stream.read(limit):
            yield block
        return
    decoder, block = codecs.getincrementaldecoder(encoding)("replace"), start
    while block:
        if text := decoder.decode(block):
            yield text.encode("utf-8", "replace")
        block = stream.read(limit // 2)  # two bytes of UTF-16 are three of UTF-8 at most
    if text := decoder.decode(b"", final=True):
        yield text.encode("utf-8", "replace")


def encoding_of(start: bytes) -> str | None:
    """Return the codec of a text that begins so if it is UTF-16 or UTF-32, marked or not; `None` for any other."""
    for mark, codec in _MARKS:
        if start.startswith(mark):
            return codec
    even, odd = start[:1024:2], start[1:1024:2]
    if min(len(even), len(odd)) >= 8:
        if not even.count(0) and 2 * odd.count(0) > len(odd):
            return "utf-16-le"
        if not odd.count(0) and 2 * even.count(0) > len(even):
            return "utf-16-be"
    return None


def to_utf8(where: str | Path) -> str:
    """Return the advice for a text that is not UTF-8."""
    name = where if Path(where).exists() else "FILE"
    return f"Convert it, if it is Western European: iconv -f WINDOWS-1252 -t UTF-8 {shlex.quote(str(name))} > NEW."


def _decoded(raw: bytes, number: int, decoding: Decoding, where: str | Path) -> Line:
    raw = raw.removesuffix(b"\r")
    try:
        return Line(number, raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        if decoding is Decoding.STRICT:
            raise DataError(
                f"not UTF-8 (byte {raw[error.start]:#04x} at column {error.start + 1}).",
                where=f"{where}:{number}",
                next_step=to_utf8(where),
            ) from None
        if decoding is Decoding.REPLACE:
            return Line(number, raw.decode("utf-8", "replace"))
        return Line(number, raw.decode("utf-8", "backslashreplace"), Reason.UNDECODABLE)


def on_one_line(text: str) -> str:
    """Return a text of a format that can hold line ends (JSON, CSV, TMX, PO) with a space for them, tabs and pages."""
    return text if text.isprintable() else _BREAKS.sub(" ", text)
