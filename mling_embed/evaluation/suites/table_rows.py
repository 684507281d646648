"""Rows of CSV and TSV files, with their line numbers: what suites and users' own files are read by."""

from __future__ import annotations

import csv
import io
from io import BufferedIOBase
from pathlib import Path

from mling_embed.corpora.archives import open_plain
from mling_embed.corpora.lines import Decoding, read_lines, to_utf8
from mling_embed.errors import DataError

Row = tuple[int, list[str]]


def read_table(path: Path, *, delimiter: str) -> list[Row]:
    """Read the rows of a CSV or TSV file; .gz .xz .bz2 .zst are unpacked.

    Raises:
        DataError: There is no such file, it is empty, not UTF-8, or its quotes do not end.
    """
    with open_plain(path) as stream:
        return table_rows(stream, delimiter=delimiter, where=path)


def table_rows(stream: BufferedIOBase, *, delimiter: str, where: str | Path) -> list[Row]:
    """Read the rows of a CSV (RFC 4180, where the delimiter is a comma) or TSV (no quoting), with their line numbers.

    Raises:
        DataError: It is empty, not UTF-8, or its quotes do not end.
    """
    if delimiter == "\t":
        lines = read_lines(stream, decoding=Decoding.STRICT, where=where)
        rows = [(line.number, line.text.split("\t")) for line in lines if line.text.strip()]
    else:
        data = stream.read()
        try:
            reader = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
            rows = [(reader.line_num, cells) for cells in reader if cells]
        except UnicodeDecodeError as error:
            place = f"{where}:{1 + data[: error.start].count(10)}"
            what = f"not UTF-8 (byte {data[error.start]:#04x})."
            raise DataError(what, where=place, next_step=to_utf8(where)) from None
        except csv.Error as error:
            raise DataError(f"not CSV ({error}).", where=f"{where}:{reader.line_num}") from None
    if not rows:
        raise DataError("the file is empty.", where=where)
    return rows
