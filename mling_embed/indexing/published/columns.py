"""Filters: which rows may be answered with, by language and by what their metadata say."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Int64
from numpy import ndarray

from mling_embed.errors import UsageError
from mling_embed.indexing.storage.rows import Entry
from mling_embed.languages import language_code

_FIELD = "field:"


@dataclass(frozen=True, slots=True)
class Filter:
    """Hold what a row must be to be answered with.

    Attributes:
        languages: It must be in one of these; any by default.
        where: Each field's value must be one of these (or, where the field is a list, one of its elements).
    """

    languages: frozenset[str] | None = None
    where: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def lets_all_pass(self) -> bool:
        """Whether it filters nothing."""
        return self.languages is None and not self.where

    def accepts(self, entry: Entry) -> bool:
        """Tell whether a row may be answered with."""
        if self.languages is not None and entry.language not in self.languages:
            return False
        return all(
            name in entry.metadata and _value_is(entry.metadata[name], wanted) for name, wanted in self.where.items()
        )


def make_filter(
    languages: Iterable[str] | None, where: Mapping[str, Any] | None, *, names: Mapping[str, Sequence[str]]
) -> Filter:
    """Check a filter against the languages and fields that an index knows.

    Args:
        languages: Language codes.
        where: A value, or a list of values, by field.
        names: The ``languages`` and ``fields`` of the index.

    Raises:
        UsageError: The index has never held such a language or field.
    """
    wanted = None
    if languages is not None:
        if isinstance(languages, str):
            languages = [languages]
        wanted = frozenset(language_code(language) for language in languages)
        if not wanted:
            raise UsageError("no language is allowed: nothing could be found.", next_step="Name one, or leave it out.")
        _require(wanted, names["languages"], "language")
    fields = {
        name: frozenset(_canonical(value) for value in (values if isinstance(values, list | tuple | set) else [values]))
        for name, values in (where or {}).items()
    }
    _require(fields, names["fields"], "field")
    return Filter(wanted, fields)


def _require(asked: Iterable[str], known: Sequence[str], what: str) -> None:
    if missing := sorted(set(asked) - set(known)):
        near = difflib.get_close_matches(missing[0], known, n=1)
        there = f"Did you mean '{near[0]}'?" if near else f"There are {', '.join(known) or 'none'}."
        raise UsageError(f"the index holds no {what} '{missing[0]}'.", next_step=there)


def _canonical(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _value_is(value: Any, wanted: frozenset[str]) -> bool:
    if _canonical(value) in wanted:
        return True
    return isinstance(value, list) and any(_canonical(part) in wanted for part in value)


class Columns:
    """Hold row numbers, languages and metadata of the rows of a generation, by position.

    Args:
        table: ``row``, ``language``, and a column ``field:<name>`` of JSON for each field.
    """

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        rows = table.column("row").combine_chunks()
        # Arrow's own way imports pandas, which a first search would wait for.
        self.numbers: Int64[ndarray, " n"] = np.frombuffer(
            rows.buffers()[1] or b"", np.int64, len(rows), 8 * rows.offset
        )

    @classmethod
    def of(cls, numbers: Sequence[int], entries: Sequence[Entry]) -> Columns:
        """Make the columns of rows."""
        fields = sorted({name for entry in entries for name in entry.metadata})
        columns: dict[str, Any] = {
            "row": pa.array(numbers, pa.int64()),
            "language": pa.array([entry.language for entry in entries], pa.string()).dictionary_encode(),
        }
        for name in fields:
            values = [_canonical(entry.metadata[name]) if name in entry.metadata else None for entry in entries]
            columns[_FIELD + name] = pa.array(values, pa.string()).dictionary_encode()
        return cls(pa.table(columns))

    @classmethod
    def open(cls, path: Path) -> Columns:
        """Open columns that were written, memory-mapped."""
        with pa.memory_map(str(path)) as source:
            return cls(pa.ipc.open_file(source).read_all())

    def to_bytes(self) -> bytes:
        """Return the columns as an Arrow file."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, self._table.schema) as writer:
            writer.write_table(self._table)
        data: bytes = sink.getvalue().to_pybytes()
        return data

    def passing(self, wanted: Filter) -> Bool[ndarray, " n"]:
        """Return which rows a filter lets pass. Shape: (n,)."""
        mask = np.ones(len(self.numbers), dtype=bool)
        if wanted.languages is not None:
            mask &= self._matching("language", lambda value: value in wanted.languages)
        for name, values in wanted.where.items():
            if _FIELD + name not in self._table.column_names:
                return np.zeros(len(self.numbers), dtype=bool)
            mask &= self._matching(_FIELD + name, lambda text, values=values: _value_is(json.loads(text), values))
        return mask

    def _matching(self, column: str, test: Any) -> Bool[ndarray, " n"]:
        encoded = self._table.column(column).combine_chunks()
        encoded = encoded if not isinstance(encoded, pa.ChunkedArray) else encoded.chunk(0)
        right = np.array([test(value) for value in encoded.dictionary.to_pylist()] + [False])
        places = encoded.indices.fill_null(len(right) - 1).to_numpy(zero_copy_only=False)
        matching: Bool[ndarray, " n"] = right[places]
        return matching

    def languages(self) -> list[str]:
        """Return the languages of all rows, in their order."""
        found: list[str] = self._table.column("language").to_pylist()
        return found
