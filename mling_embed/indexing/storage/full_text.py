"""BM25 over the texts of an index: words of every script, in a full-text table of SQLite (FTS5)."""

from __future__ import annotations

import sqlite3
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import blake2b

import regex

_TABLE = "full_text"
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
