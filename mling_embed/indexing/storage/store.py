"""The truth of an index: an SQLite file of rows and vectors in which every row, and their sum, is checked."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from mling_embed import files
from mling_embed.errors import DamagedFileError, DataError, MlingEmbedError
from mling_embed.indexing.storage import full_text
from mling_embed.indexing.storage.rows import COLUMNS, Entry, NumberFormat, Row, content_sum, row_of, vector_sum
from mling_embed.indexing.storage.state import MODULUS, State, added_to, check, deletion_sum

FILE = "rows.sqlite"
COMMITTED_FILE = "COMMITTED"
SETTINGS, SETTINGS_COPY = "settings", "settings_copy"  # the copy is for repairs
WORDS = "words"
REPAIR = "Repair what can be repaired: mling-embed index rebuild INDEX."
_AT_ONCE = 500  # names in one query: SQLite allows 999 and more
_SCHEMA = (
    "CREATE TABLE state(name TEXT PRIMARY KEY, value TEXT NOT NULL, checksum TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE rows(row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, document TEXT, start INTEGER,
    "end" INTEGER, language TEXT NOT NULL, guessed INTEGER NOT NULL, text TEXT NOT NULL, metadata TEXT NOT NULL,
    vector BLOB NOT NULL, content_sum BLOB NOT NULL, vector_sum BLOB NOT NULL)""",
    "CREATE INDEX documents ON rows(document) WHERE document IS NOT NULL",
    "CREATE TABLE deletions(sequence INTEGER PRIMARY KEY, row INTEGER NOT NULL)",
    "CREATE TABLE reencoded(row INTEGER PRIMARY KEY, content_sum BLOB NOT NULL, vector BLOB NOT NULL, vector_sum BLOB)",
)


class Store:
    """Read and change the rows of one index, from any thread.

    Args:
        folder: The index.
        create: The settings of a new index; `None` opens one that is there.

    Raises:
        DataError: There is no index.
        DamagedFileError: Its state is damaged, or older than what was acknowledged.
    """

    def __init__(self, folder: Path, *, create: Mapping[str, Any] | None = None) -> None:
        self.path = folder / FILE
        self._committed = folder / COMMITTED_FILE
        self._mutex = threading.RLock()
        if create is None and not self.path.exists():
            raise DataError("is not an index.", where=folder, next_step="Make one: mling-embed index create.")
        # Read before the file is: another process may commit in between.
        promised = -1 if create is not None else self._promised()
        with self.errors_named():
            self.connection = sqlite3.connect(
                self.path, timeout=60, isolation_level=None, check_same_thread=False, cached_statements=256
            )
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "cell_size_check = ON", "mmap_size = 0"):
                self.connection.execute(f"PRAGMA {pragma}")
            self.pages = full_text.PageSums(self.connection)
            self._words_whole = self._names_whole = False
            if create is not None:
                self._create(create)
            self.settings: dict[str, Any] = self.read(SETTINGS)
            state = self.state()
        if state.commit < promised:
            raise DamagedFileError(
                f"holds commit {state.commit}; commit {promised} was acknowledged: writes are lost.",
                where=self.path,
                next_step="Restore the index from a copy, or accept the loss: mling-embed index rebuild INDEX.",
            )

    @property
    def number_format(self) -> NumberFormat:
        """Format of the stored vectors."""
        return NumberFormat(self.settings["number_format"])

    def close(self) -> None:
        """Close the file."""
        with self._mutex:
            self.connection.close()

    @contextmanager
    def errors_named(self) -> Iterator[None]:
        """Turn SQLite's errors into ours."""
        try:
            yield
        except sqlite3.OperationalError as error:
            if "full" in str(error) or "disk I/O" in str(error):
                step = "Free some space and give the same command again; what was acknowledged is safe."
                raise MlingEmbedError(f"cannot be written ({error}).", where=self.path, next_step=step) from error
            raise DamagedFileError(f"cannot be read ({error}).", where=self.path, next_step=REPAIR) from error
        except sqlite3.DatabaseError as error:
            raise DamagedFileError(f"is damaged ({error}).", where=self.path, next_step=REPAIR) from error

    def _create(self, settings: Mapping[str, Any]) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        for statement in _SCHEMA:
            self.connection.execute(statement)
        full_text.create(self.connection)
        self.put(SETTINGS, dict(settings))
        self.put(SETTINGS_COPY, dict(settings))
        self.put("names", {"languages": [], "fields": []})
        full_text.watch(self.connection)
        self.put(WORDS, full_text.page_sums(self.connection))
        self.put("state", dataclasses.asdict(State()))
        self.commit(State())

    def _promised(self) -> int:
        try:
            value = files.read_json(self._committed)
        except MlingEmbedError as error:
            raise DamagedFileError(error.what, where=self._committed, next_step=REPAIR) from error
        if not isinstance(value, dict) or value.get("check") != check(value.get("commit")):
            raise DamagedFileError("is not what was written.", where=self._committed, next_step=REPAIR)
        return int(value["commit"])

    def read(self, name: str) -> Any:
        """Return one of the records beside the rows.

        Raises:
            DamagedFileError: It is not there, or not what was written.
        """
        with self._mutex, self.errors_named():
            found = self.connection.execute("SELECT value, checksum FROM state WHERE name = ?", (name,)).fetchone()
        if found is None or found[1] != check(f"{name} {found[0]}"):
            raise DamagedFileError(f"its {name} are damaged.", where=self.path, next_step=REPAIR)
        return json.loads(found[0])

    def has(self, name: str) -> bool:
        """Tell whether there is a record of a name beside the rows."""
        with self._mutex, self.errors_named():
            return bool(self.connection.execute("SELECT 1 FROM state WHERE name = ?", (name,)).fetchone())

    def remove(self, name: str) -> None:
        """Remove a record beside the rows, in the transaction that is open."""
        self.connection.execute("DELETE FROM state WHERE name = ?", (name,))

    def put(self, name: str, value: Any) -> None:
        """Write a record beside the rows, in the transaction that is open."""
        text = json.dumps(value, ensure_ascii=False, sort_keys=True)
        record = (name, text, check(f"{name} {text}"))
        self.connection.execute("INSERT OR REPLACE INTO state VALUES (?, ?, ?)", record)

    def state(self) -> State:
        """Return the state of the rows after the last commit that can be seen."""
        return State(**self.read("state"))

    def commit(self, state: State) -> None:
        """End a transaction; once this returns, a power cut cannot undo it, nor can its loss go unnoticed."""
        self.connection.execute("COMMIT")
        files.write_json(self._committed, {"commit": state.commit, "check": check(state.commit)})

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Read everything in the block as of one commit."""
        with self._mutex, self.errors_named():
            nested = self.connection.in_transaction
            if not nested:
                self.connection.execute("BEGIN")
            try:
                yield self.connection
            finally:
                if not nested and self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Change what is beside the rows; all of it is there after the block, or nothing."""
        with self._mutex, self.errors_named():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            finally:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")

    @contextmanager
    def writing(self) -> Iterator[Changes]:
        """Change rows; all changes of the block are there after it, or none."""
        with self._mutex, self.errors_named():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                self.pages.begin()
                changes = Changes(self)
                yield changes
                if changes.made:
                    self.commit(changes.finish())
            finally:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")

    def rows(self, numbers: Sequence[int]) -> dict[int, Row]:
        """Return the rows with these numbers, as far as they are there.

        Raises:
            DamagedFileError: A row is not what was written.
        """
        found: dict[int, Row] = {}
        for start in range(0, len(numbers), _AT_ONCE):
            part = [int(number) for number in numbers[start : start + _AT_ONCE]]
            marks = ", ".join("?" * len(part))
            with self._mutex, self.errors_named():
                rows = self.connection.execute(f"SELECT {COLUMNS} FROM rows WHERE row IN ({marks})", part).fetchall()
            found.update((row[0], self._checked(row)) for row in rows)
        return found

    def scan(self, after: int = 0) -> Iterator[Row]:
        """Yield the rows above a number, in order.

        Raises:
            DamagedFileError: A row is not what was written.
        """
        query = f"SELECT {COLUMNS} FROM rows WHERE row > ? ORDER BY row LIMIT {_AT_ONCE}"
        while True:
            with self._mutex, self.errors_named():
                part = self.connection.execute(query, (after,)).fetchall()
            yield from map(self._checked, part)
            if len(part) < _AT_ONCE:
                return
            after = part[-1][0]

    def _checked(self, found: tuple[Any, ...]) -> Row:
        row = row_of(found, self.number_format)
        if row is None or len(row.vector) != self.settings["dim"]:
            raise DamagedFileError(f"row {found[0]} (id {found[1]!r}) is damaged.", where=self.path, next_step=REPAIR)
        return row

    def require_whole_words(self) -> None:
        """Check the full-text table as a whole, once; a second for some hundred thousand rows.

        Raises:
            DamagedFileError: It is not what was written.
        """
        with self.reading() as connection:
            if not self._words_whole and full_text.page_sums(connection) != self.read(WORDS):
                what = "its full-text table is not what was written."
                raise DamagedFileError(what, where=self.path, next_step=REPAIR)
            self._words_whole = True

    def _require_whole_names(self) -> None:
        with self._mutex, self.errors_named():
            fault = None
            if not self._names_whole:
                fault = next(line for (line,) in self.connection.execute("PRAGMA integrity_check(rows)"))
        if fault not in (None, "ok"):
            raise DamagedFileError(f"its rows cannot be found by name ({fault}).", where=self.path, next_step=REPAIR)
        self._names_whole = True

    def deletions(self, after: int = 0) -> list[tuple[int, int]]:
        """Return the deletions after one, as pairs of sequence and row."""
        with self._mutex, self.errors_named():
            query = "SELECT sequence, row FROM deletions WHERE sequence > ? ORDER BY sequence"
            return self.connection.execute(query, (after,)).fetchall()

    def numbers_of(self, column: str, names: Sequence[str]) -> dict[str, list[int]]:
        """Return the row numbers of ids (``column`` is ``id``) or of documents (``document``).

        Raises:
            DamagedFileError: SQLite's indexes do not name the rows: looked at once, as a whole.
        """
        self._require_whole_names()
        found: dict[str, list[int]] = {}
        for start in range(0, len(names), _AT_ONCE):
            part = list(names[start : start + _AT_ONCE])
            marks = ", ".join("?" * len(part))
            with self._mutex, self.errors_named():
                query = f"SELECT {column}, row FROM rows WHERE {column} IN ({marks}) ORDER BY row"
                for name, row in self.connection.execute(query, part):
                    found.setdefault(name, []).append(row)
        return found


class Changes:
    """Collect the changes of one transaction of a `Store`."""

    def __init__(self, store: Store) -> None:
        self._store, self._connection = store, store.connection
        self._state = store.state()
        self.made = False

    def add(self, entries: Sequence[Entry], vectors: Float[ndarray, "n dim"]) -> list[int]:
        """Put in entries with their vectors; return their row numbers."""
        first, digest = self._state.last_row + 1, int(self._state.digest, 16)
        stored = np.ascontiguousarray(vectors, dtype=str(self._store.number_format))
        records = []
        for row, (entry, vector) in enumerate(zip(entries, stored, strict=True), first):
            columns, blob = entry.columns(), vector.tobytes()
            sums = (content_sum(row, columns), vector_sum(row, blob))
            records.append((row, *columns, blob, *sums))
            digest += int.from_bytes(b"".join(sums), "little")
        self._connection.executemany(f"INSERT INTO rows({COLUMNS}) VALUES ({', '.join('?' * 12)})", records)
        full_text.add(self._connection, ((first + at, entry.text) for at, entry in enumerate(entries)))
        self._learn_names(entries)
        state = self._state
        self._state = dataclasses.replace(
            state,
            last_row=state.last_row + len(records),
            live=state.live + len(records),
            digest=f"{digest % MODULUS:x}",
        )
        self.made = self.made or bool(records)
        return list(range(first, first + len(records)))

    def delete(self, numbers: Sequence[int]) -> None:
        """Take out the rows with these numbers."""
        state = self._state
        digest, deleted_digest, deleted = state.digest, state.deleted_digest, state.deleted
        rows = self._store.rows(numbers)
        for number, row in rows.items():
            deleted += 1
            self._connection.execute("INSERT INTO deletions VALUES (?, ?)", (deleted, number))
            columns = row.entry.columns()
            value = content_sum(number, columns) + vector_sum(number, row.vector.tobytes())
            digest = added_to(digest, value, sign=-1)
            deleted_digest = added_to(deleted_digest, deletion_sum(deleted, number))
        full_text.remove(self._connection, ((number, row.entry.text) for number, row in rows.items()))
        self._connection.executemany("DELETE FROM rows WHERE row = ?", ((number,) for number in rows))
        self._state = dataclasses.replace(
            state, live=state.live - len(rows), digest=digest, deleted=deleted, deleted_digest=deleted_digest
        )
        self.made = self.made or bool(rows)

    def change_settings(self, **changes: Any) -> None:
        """Change settings that change what vectors mean: older generations are void after it."""
        settings = {**self._store.read(SETTINGS), **changes}
        self._store.put(SETTINGS, settings)
        self._store.put(SETTINGS_COPY, settings)
        self._state = dataclasses.replace(self._state, epoch=self._state.epoch + 1)
        self.made = True

    def replace_all(self, state: State) -> None:
        """Give the state of rows that were written anew by the caller."""
        self._state = dataclasses.replace(state, commit=self._state.commit)
        self.made = True

    def continue_from(self, *, commit: int, epoch: int) -> None:
        """Let commits and epochs go on from those of an older file with the same rows."""
        self._state = dataclasses.replace(self._state, commit=max(commit, self._state.commit), epoch=epoch + 1)
        self.made = True

    @property
    def state(self) -> State:
        """The state as it is so far."""
        return self._state

    def finish(self) -> State:
        """Write the state that the changes lead to."""
        self._store.put(WORDS, self._store.pages.after(self._store.read(WORDS)))
        self._state = dataclasses.replace(self._state, commit=self._state.commit + 1)
        self._store.put("state", dataclasses.asdict(self._state))
        return self._state

    def _learn_names(self, entries: Iterable[Entry]) -> None:
        names = self._store.read("names")
        languages = sorted({*names["languages"], *(entry.language for entry in entries)})
        fields = sorted({*names["fields"], *(name for entry in entries for name in entry.metadata)})
        if (languages, fields) != (names["languages"], names["fields"]):
            self._store.put("names", {"languages": languages, "fields": fields})
