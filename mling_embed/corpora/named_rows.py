"""Rows of named values to pairs: what JSON, Parquet and data sets of the Hugging Face hub have in common."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any, NamedTuple

from mling_embed.corpora.cell_rows import pair_of
from mling_embed.corpora.columns import SAMPLED, Columns, Key, advice, choose_columns, readable_languages
from mling_embed.corpora.corpus_input import CorpusInput
from mling_embed.corpora.file_names import pair_in_name
from mling_embed.corpora.lines import on_one_line
from mling_embed.corpora.records import Pair, Reject
from mling_embed.errors import DataError


class NamedRow(NamedTuple):
    """Hold one row, the line or the number that it has, and its text as it stands in the file, where there is one."""

    line: int
    values: Mapping[str, Any]
    text: str | None = None


def named_pairs(
    rows: Iterable[NamedRow | Reject], source: CorpusInput, *, where: str, present: Iterable[str] = ()
) -> Iterator[Pair | Reject]:
    """Yield the pair of each row; one without the columns, or where they are not text, is `Reason.MALFORMED`.

    Args:
        rows: The rows, and what is none.
        source: The input.
        where: The file, for errors.
        present: The columns, where the file lists them itself.

    Raises:
        DataError: A column is missing in all rows that were looked at, or none can be told to hold English.
    """
    rest = iter(rows)
    sampled = list(islice(rest, SAMPLED))
    looked_at = [row for row in sampled if isinstance(row, NamedRow)]
    columns = _columns(looked_at, source, where, present) if looked_at or present else None
    for row in chain(sampled, rest):
        if isinstance(row, Reject):
            yield row
            continue
        shown = row.text if row.text is not None else json.dumps(row.values, ensure_ascii=False, default=str)
        if columns is None:
            columns = _columns([row], source, where, present)
        parts = (columns.english, columns.other, columns.language, columns.english_language)
        values = {key: _value(row.values, str(key)) for key in parts if key is not None}
        cells = {key: on_one_line(value) if isinstance(value, str) else value for key, value in values.items()}
        yield pair_of(cells, columns, source.assumed, row.line, shown)


def _columns(rows: list[NamedRow], source: CorpusInput, where: str, present: Iterable[str]) -> Columns:
    names = dict.fromkeys(present)
    for row in rows:
        names.update(dict.fromkeys(_names(row.values)))
    first = f"{where}:{rows[0].line}" if rows and rows[0].text is not None else where
    if source.columns:
        given = {part: str(column) for part, column in source.columns.items()}
        if missing := [name for name in given.values() if name not in names and name.rpartition(".")[0] not in names]:
            what = f"no column {', '.join(missing)}; there are {', '.join(names) or 'none'}."
            raise DataError(what, where=first, next_step=advice({name: name for name in names}))
        if "english" not in given:
            raise DataError("no column of English is named.", where=first, next_step=advice({n: n for n in names}))
        return Columns(given["english"], given.get("other"), given.get("language"))
    texts: dict[Key, list[str]] = {name: _texts(rows, name) for name in names}
    chosen = choose_columns(texts, source, where=first, names={name: name for name in names}, pair=pair_in_name(where))
    return readable_languages(chosen, texts, source.language)


def _names(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of values that are not empty, those of structs as paths: ``translation.en``."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from (f"{name}.{inner}" for inner in value)
        elif value is not None:
            yield str(name)


def _texts(rows: Iterable[NamedRow], name: str) -> list[str]:
    found = (_value(row.values, name) for row in rows)
    return [value if isinstance(value, str) else json.dumps(value, default=str) for value in found if value is not None]


def _value(values: Mapping[str, Any], name: str) -> Any:
    if name in values:
        return values[name]
    value: Any = values
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
