"""Rows by name: those of ids, and those of documents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mling_embed.errors import DataError
from mling_embed.indexing.storage.rows import Entry
from mling_embed.indexing.storage.store import Store


def listed(names: Iterable[str]) -> list[str]:
    """Return names, each once; one string is one name."""
    return list(dict.fromkeys([names] if isinstance(names, str) else names))


def entries_named(store: Store, ids: Sequence[str]) -> list[Entry]:
    """Return the entries of ids, in their order.

    Raises:
        DataError: One is not in the index.
    """
    numbers = _numbers(store, "id", ids)
    rows = store.rows([found[0] for found in numbers.values()])
    return [rows[numbers[id_][0]].entry for id_ in ids]


def delete_named(store: Store, *, ids: Sequence[str], documents: Sequence[str]) -> int:
    """Take rows out, all in one commit; return how many.

    Raises:
        DataError: An id or a document is not in the index.
    """
    with store.writing() as changes:
        found = [*_numbers(store, "id", ids).values(), *_numbers(store, "document", documents).values()]
        numbers = sorted({number for each in found for number in each})
        changes.delete(numbers)
    return len(numbers)


def _numbers(store: Store, column: str, names: Sequence[str]) -> dict[str, list[int]]:
    found = store.numbers_of(column, names)
    if missing := [name for name in names if name not in found]:
        others = f" (and {len(missing) - 1:,} more)" if len(missing) > 1 else ""
        raise DataError(f"no {column} {missing[0]!r}{others} in the index.", where=store.path.parent)
    return found
