"""The row of an index: a text with its vector, and the checksum that both are checked against."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from mling_embed.errors import DataError
from mling_embed.languages import UNKNOWN_LANGUAGE

CHECKSUM_BYTES = 16
COLUMNS = 'row, id, document, start, "end", language, guessed, text, metadata, vector, content_sum, vector_sum'


class NumberFormat(StrEnum):
    """Name the format in which vectors are stored."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"


@dataclass(frozen=True, slots=True)
class Entry:
    """Hold a text that is put into an index, without its vector.

    Attributes:
        id: Its name, unique in the index.
        text: The text.
        language: Its language's code; ``und`` where nobody knows.
        document: The document that it is part of, if any.
        start: Where it begins in the document, in characters.
        end: Where it ends.
        guessed: Whether the language was guessed.
        metadata: What else is known; JSON values by name.
    """

    id: str
    text: str
    language: str = UNKNOWN_LANGUAGE
    document: str | None = None
    start: int | None = None
    end: int | None = None
    guessed: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def columns(self) -> tuple[Any, ...]:
        """Return the values of the columns that are not about the vector, in the order of `COLUMNS` after ``row``.

        Raises:
            DataError: The metadata have no JSON form, or a text cannot be written as UTF-8.
        """
        try:
            metadata = json.dumps(dict(self.metadata), ensure_ascii=False, sort_keys=True, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise DataError(f"its metadata have no JSON form ({error}).", where=f"id '{self.id}'") from None
        values = (self.id, self.document, self.start, self.end, self.language, int(self.guessed), self.text, metadata)
        try:
            for value in values:
                str(value).encode()
        except UnicodeEncodeError as error:
            raise DataError(
                f"holds a lone surrogate at character {error.start + 1}, which is no text.",
                where=f"id {self.id!r}",
                next_step="Decode the source again, with errors='replace'.",
            ) from None
        return values


@dataclass(frozen=True, slots=True)
class Row:
    """Hold what is stored under a row number, having been checked.

    Attributes:
        number: The row's number; never used again.
        entry: The text and what is known of it.
        vector: As stored. Shape: (dim,).
    """

    number: int
    entry: Entry
    vector: Float[ndarray, " dim"]


def content_sum(row: int, columns: Iterable[Any]) -> bytes:
    """Return the checksum of a row's text and data."""
    parts = [row.to_bytes(8, "little")]
    for value in columns:
        if value is None:
            parts.append(b"-:")
        else:
            part = str(value).encode("utf-8", "surrogatepass")
            parts.append(b"%d:%b" % (len(part), part))
    return blake2b(b"".join(parts), digest_size=CHECKSUM_BYTES).digest()


def vector_sum(row: int, vector: bytes) -> bytes:
    """Return the checksum of a row's vector."""
    return blake2b(row.to_bytes(8, "little") + vector, digest_size=CHECKSUM_BYTES).digest()


def row_of(found: tuple[Any, ...], number_format: NumberFormat) -> Row | None:
    """Return the row that a query for `COLUMNS` found, or `None` if a checksum is not that of what it holds."""
    number, *columns, vector, content, vector_checksum = found
    whole = isinstance(vector, bytes) and content_sum(number, columns) == content
    if not whole or vector_sum(number, vector) != vector_checksum:
        return None
    return Row(number, entry_of(columns), np.frombuffer(vector, dtype=str(number_format)))


def entry_of(columns: Iterable[Any]) -> Entry:
    """Return the entry whose columns these are."""
    id_, document, start, end, language, guessed, text, metadata = columns
    return Entry(id_, text, language, document, start, end, bool(guessed), json.loads(metadata))
