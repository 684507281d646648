"""BM25 over the texts of an index: words of every script, in a full-text table of SQLite (FTS5), and its checksum."""

from __future__ import annotations

import sqlite3
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import regex

_TABLE = "full_text"
_SEGMENT_BITS = 37  # below the number of the segment in the number of a page
_SEGMENT_NUMBER_BITS = 16
_LENGTHS = "lengths"
_TRIGGERS = {"idx": "segment_changed({side}.segid)", "docsize": "length_changed({sign}, {side}.id, {side}.sz)"}
_MODULUS = 1 << 256
# Scripts that put no spaces between words: their characters are taken two by two.
_UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]+")
_WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")


def terms_of(text: str) -> list[str]:
    """Return the terms of a text: case-folded words without accents; pairs of characters in unspaced scripts.

    >>> terms_of("Wo ist der Käse? 東京駅")
    ['wo', 'ist', 'der', 'kase', '東京', '京駅']
    """
    terms: list[str] = []
    for match in _WORD.finditer(unicodedata.normalize("NFKC", text).casefold()):
        terms.extend(_pieces(match.group()))
    return terms


def _pieces(word: str) -> Iterator[str]:
    at = 0
    for run in _UNSPACED.finditer(word):
        if run.start() > at:
            yield _bare(word[at : run.start()])
        characters = run.group()
        yield from (characters[i : i + 2] for i in range(max(1, len(characters) - 1)))
        at = run.end()
    if at < len(word):
        yield _bare(word[at:])


@lru_cache(maxsize=65536)
def _bare(word: str) -> str:
    """Return a word of the Latin, Greek or Cyrillic script without its accents; marks mean vowels elsewhere."""
    if word.isascii() or not regex.match(r"[\p{Latin}\p{Greek}\p{Cyrillic}]", word):
        return word
    parts = unicodedata.normalize("NFD", word)
    return "".join(part for part in parts if not unicodedata.combining(part)) or word


def create(connection: sqlite3.Connection) -> None:
    """Make the table. It keeps no texts of its own: the rows have them."""
    kept = "unicode61 remove_diacritics 0 categories 'L* N* Co Mn Mc Me'"
    connection.execute(f"CREATE VIRTUAL TABLE {_TABLE} USING fts5(terms, content='', tokenize=\"{kept}\")")
    connection.execute(f"INSERT INTO {_TABLE}({_TABLE}, rank) VALUES ('automerge', 0)")


def watch(connection: sqlite3.Connection) -> None:
    """Make the triggers that `PageSums` follows a new table by."""
    for name, call in _TRIGGERS.items():
        for event, sides in (("INSERT", {"new": 1}), ("DELETE", {"old": -1}), ("UPDATE", {"old": -1, "new": 1})):
            calls = "".join(f"SELECT {call.format(side=side, sign=sign)}; " for side, sign in sides.items())
            trigger = f"CREATE TRIGGER {_TABLE}_{name}_{event.lower()} AFTER {event} ON {_TABLE}_{name}"
            connection.execute(f"{trigger} BEGIN {calls}END")


class PageSums:
    """Follow the checksums of what FTS5 keeps; it has none of its own.

    What it knows stands in segments, which are written once as long as only whole ones are merged (``automerge`` is
    off). Triggers tell which segments and row lengths a transaction changed; the pages of those segments are hashed at
    its end. (Triggers on the pages themselves crash SQLite 3.40.)

    Args:
        connection: That all changes go through.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._segments: set[int] = set()
        self._lengths = 0
        connection.execute("PRAGMA recursive_triggers = ON")  # else what REPLACE takes away goes unseen
        connection.create_function("segment_changed", 1, self._segments.add)
        connection.create_function("length_changed", 3, self._length_changed)

    def _length_changed(self, sign: int, row: int, length: bytes) -> None:
        self._lengths += sign * _checksum(row, length)

    def begin(self) -> None:
        """Begin a transaction."""
        self._segments.clear()
        self._lengths = 0

    def after(self, sums: Mapping[str, str]) -> dict[str, str]:
        """Return the sums at the end of a transaction.

        Args:
            sums: Those at its beginning.
        """
        self._connection.execute("SAVEPOINT pages")  # FTS5 writes down what it still holds in memory
        self._connection.execute("RELEASE pages")
        there = _segments(self._connection)
        kept = {name: value for name, value in sums.items() if name.isdigit() and int(name) in there}
        changed = {str(segment): _segment_sum(self._connection, segment) for segment in there & {0, *self._segments}}
        lengths = (int(sums[_LENGTHS], 16) + self._lengths) % _MODULUS
        return {**kept, **changed, _LENGTHS: f"{lengths:x}"}


def page_sums(connection: sqlite3.Connection) -> dict[str, str]:
    """Return the sums of the checksums of all pages, by segment, and of the lengths of rows."""
    lengths = sum(_checksum(*found) for found in connection.execute(f"SELECT id, sz FROM {_TABLE}_docsize"))
    segments = {
        str(segment): _segment_sum(connection, segment) if _is_segment(segment) else ""  # the sum of no segment
        for segment in _segments(connection)
    }
    return {**segments, _LENGTHS: f"{lengths % _MODULUS:x}"}


def _segments(connection: sqlite3.Connection) -> set[Any]:
    """Return the numbers of the segments; 0 is what FTS5 knows of all of them. In a damaged table it is any values."""
    return {0, *(segment for (segment,) in connection.execute(f"SELECT DISTINCT segid FROM {_TABLE}_idx"))}


def _is_segment(found: Any) -> bool:
    return isinstance(found, int) and 0 <= found < 1 << _SEGMENT_NUMBER_BITS


def _segment_sum(connection: sqlite3.Connection, segment: int) -> str:
    first, after = segment << _SEGMENT_BITS, (segment + 1) << _SEGMENT_BITS
    pages = connection.execute(f"SELECT id, block FROM {_TABLE}_data WHERE id >= ? AND id < ?", (first, after))
    terms = connection.execute(f"SELECT pgno, term FROM {_TABLE}_idx WHERE segid = ?", (segment,))
    return f"{sum(_checksum(*found) for cursor in (pages, terms) for found in cursor) % _MODULUS:x}"


def _checksum(number: int, value: Any) -> int:
    return int.from_bytes(blake2b(repr((number, value)).encode(), digest_size=32).digest(), "little")


def add(connection: sqlite3.Connection, rows: Iterable[tuple[int, str]]) -> None:
    """Take in the texts of rows."""
    connection.executemany(f"INSERT INTO {_TABLE}(rowid, terms) VALUES (?, ?)", _prepared(rows))


def remove(connection: sqlite3.Connection, rows: Iterable[tuple[int, str]]) -> None:
    """Take out rows, whose texts must be those that were taken in."""
    statement = f"INSERT INTO {_TABLE}({_TABLE}, rowid, terms) VALUES ('delete', ?, ?)"
    connection.executemany(statement, _prepared(rows))


def clear(connection: sqlite3.Connection) -> None:
    """Take out everything."""
    connection.execute(f"INSERT INTO {_TABLE}({_TABLE}) VALUES ('delete-all')")


def _prepared(rows: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    return ((row, " ".join(terms_of(text))) for row, text in rows)


def best_rows(connection: sqlite3.Connection, query: str) -> Iterator[tuple[int, float]]:
    """Yield rows that share a term with the query, best first, with their BM25 scores (higher is better)."""
    terms = sorted(set(terms_of(query)))
    if not terms:
        return
    asked = " OR ".join(f'"{term}"' for term in terms)
    statement = f"SELECT rowid, -bm25({_TABLE}) FROM {_TABLE} WHERE {_TABLE} MATCH ? ORDER BY rank, rowid"
    yield from connection.execute(statement, (asked,))


def fault(connection: sqlite3.Connection, rows: Iterable[tuple[int, str]]) -> str:
    """Compare the table with the texts of all rows; return what is wrong, or an empty string."""
    with sqlite3.connect(":memory:") as fresh:
        create(fresh)
        add(fresh, rows)
        expected = _digest(fresh)
    try:
        connection.execute(f"INSERT INTO {_TABLE}({_TABLE}) VALUES ('integrity-check')")
        found = _digest(connection)
    except sqlite3.DatabaseError as error:
        return f"the full-text table is damaged ({error})"
    return "" if found == expected else "the full-text table does not hold the terms of the texts"


def _digest(connection: sqlite3.Connection) -> str:
    digest = blake2b(digest_size=16)
    connection.execute(f"CREATE VIRTUAL TABLE IF NOT EXISTS temp.terms USING fts5vocab(main, {_TABLE}, 'instance')")
    for found in connection.execute("SELECT term, doc, offset FROM temp.terms ORDER BY term, doc, offset"):
        digest.update(repr(found).encode("utf-8", "surrogatepass"))
    connection.execute("DROP TABLE temp.terms")
    return digest.hexdigest()
