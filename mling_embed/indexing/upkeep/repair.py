"""Repair: everything that can be made from whole rows is made anew; damaged rows are named."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mling_embed import files
from mling_embed.encoders.contract import PromptRole
from mling_embed.errors import DamagedFileError, DataError, MlingEmbedError
from mling_embed.indexing.harmonization import Harmonization
from mling_embed.indexing.model_match import OwnModel
from mling_embed.indexing.published import generations
from mling_embed.indexing.storage.locking import WAIT_SECONDS, Task, lock
from mling_embed.indexing.storage.rows import COLUMNS, Entry, NumberFormat, content_sum, entry_of, row_of
from mling_embed.indexing.storage.state import check
from mling_embed.indexing.storage.store import COMMITTED_FILE, FILE, SETTINGS, SETTINGS_COPY, Store
from mling_embed.neighbors.vectors import unit_rows
from mling_embed.progress import Progress, silent

logger = logging.getLogger(__name__)

_AT_ONCE = 500


@dataclass(slots=True)
class _Salvage:
    """Count what a repair meets.

    Attributes:
        damaged: Row numbers, with ids as far as they can be read, that cannot be repaired.
        without_vector: Entries whose text is whole and whose vector is not.
        whole: Rows copied.
    """

    damaged: list[str] = field(default_factory=list)
    without_vector: list[Entry] = field(default_factory=list)
    whole: int = 0


def rebuild_index(
    folder: Path,
    *,
    harmonization: Harmonization | bool | None = None,
    drop_damaged: bool = False,
    model: Any = None,
    progress: Progress = silent,
    wait: float = WAIT_SECONDS,
) -> int:
    """Copy every whole row into a fresh SQLite file that takes the place of the old one; return the rows left out.

    Texts whose vector alone is damaged are encoded again. Sums, full text and record of commits are made anew, and
    older generations are void: publish a new one afterwards. Other processes must open the index again.

    Args:
        folder: The index.
        harmonization: Offsets to subtract from now on; `False` for none; as before by default.
        drop_damaged: Whether damaged rows are left out, rather than an error.
        model: What encodes texts whose vectors are damaged; the index's own by default.
        progress: Told of rows done.
        wait: Seconds to wait for another writer.

    Raises:
        DataError: There is no index.
        DamagedFileError: The settings cannot be read, or rows are damaged and not to be left out.
    """
    if not (folder / FILE).exists():
        raise DataError("is not an index.", where=folder, next_step="Make one: mling-embed index create.")
    with lock(folder, Task.WRITE, work="rebuild", wait=wait):
        settings = _settings(folder / FILE)
        if harmonization is not None:
            settings["harmonization"] = harmonization.as_json() if isinstance(harmonization, Harmonization) else None
        part = folder / f"rebuilt.part-{os.getpid()}"
        try:
            files.remove_folder(part)
            part.mkdir()
            salvage = _copy(folder, part, settings, progress)
            if salvage.damaged and not drop_damaged:
                shown = ", ".join(salvage.damaged[:5])
                raise DamagedFileError(
                    f"{len(salvage.damaged):,} rows are damaged and cannot be repaired: {shown}.",
                    where=folder / FILE,
                    next_step="Restore the index from a copy, or leave them out: index rebuild --drop-damaged.",
                )
            if salvage.without_vector:
                _encode_again(part, salvage.without_vector, model, settings)
            _take_the_place(folder, part)
        finally:
            files.remove_folder(part)
    return len(salvage.damaged)


def _settings(path: Path) -> dict[str, Any]:
    """Return the settings of an index, or their copy."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        for name in (SETTINGS, SETTINGS_COPY):
            try:
                query = "SELECT value, checksum FROM state WHERE name = ?"
                found = connection.execute(query, (name,)).fetchone()
            except sqlite3.DatabaseError:
                continue
            if found is not None and found[1] == check(f"{name} {found[0]}"):
                settings: dict[str, Any] = json.loads(found[0])
                return settings
    finally:
        connection.close()
    raise DamagedFileError(
        "its settings cannot be read: model and width of the vectors are not known any more.",
        where=path,
        next_step="Restore the index from a copy.",
    )


def _copy(folder: Path, part: Path, settings: dict[str, Any], progress: Progress) -> _Salvage:
    salvage = _Salvage()
    number_format = NumberFormat(settings["number_format"])
    old = sqlite3.connect(folder / FILE, isolation_level=None)
    fresh = Store(part, create=settings)
    try:
        last = _last_row(old)
        deleted = _numbers(old, "SELECT row FROM deletions")
        for start in range(1, last + 1, _AT_ONCE):
            entries, vectors = [], []
            numbers = range(start, min(start + _AT_ONCE, last + 1))
            for number, found in _found(old, numbers):
                row = None if found is None else row_of(found, number_format)
                if row is not None and len(row.vector) == settings["dim"]:
                    entries.append(row.entry)
                    vectors.append(row.vector)
                elif found is not None and content_sum(number, found[1:9]) == found[10]:
                    salvage.without_vector.append(entry_of(found[1:9]))
                elif found is not None or number not in deleted:
                    salvage.damaged.append(f"row {number}" + (f" (id {found[1]!r})" if found is not None else ""))
            if entries:
                with fresh.writing() as changes:
                    changes.add(entries, np.stack(vectors))
                salvage.whole += len(entries)
            progress("copying rows", min(start + _AT_ONCE - 1, last), last)
        _keep_history(folder, old, fresh)
        fresh.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        old.close()
        fresh.close()
    return salvage


def _keep_history(folder: Path, old: sqlite3.Connection, fresh: Store) -> None:
    """Let commits and epochs go on from the highest that is known, so that nothing older is taken for newer."""
    commits, epochs = [0], [0]
    state = _state(old)
    commits.append(state.get("commit", 0))
    epochs.append(state.get("epoch", 0))
    with suppress(MlingEmbedError, KeyError, TypeError, ValueError):
        commits.append(int(files.read_json(folder / COMMITTED_FILE)["commit"]))
    with suppress(MlingEmbedError, OSError):
        if (found := generations.current(folder)) is not None:
            manifest = generations.read_manifest(*found)
            commits.append(manifest.commit)
            epochs.append(manifest.epoch)
    with fresh.writing() as changes:
        changes.continue_from(commit=max(commits), epoch=max(epochs))


def _state(old: sqlite3.Connection) -> dict[str, int]:
    """Return what can be read of the state."""
    try:
        (text,) = old.execute("SELECT value FROM state WHERE name = 'state'").fetchone()
        return {name: value for name, value in json.loads(text).items() if isinstance(value, int)}
    except (sqlite3.DatabaseError, ValueError, TypeError, AttributeError):
        return {}


def _last_row(old: sqlite3.Connection) -> int:
    last = _state(old).get("last_row", 0)
    return max(last, *_numbers(old, "SELECT max(row) FROM rows WHERE row > 0"), 0)


def _numbers(old: sqlite3.Connection, query: str) -> set[int]:
    """Return the numbers of a query as far as it comes before it meets damage."""
    numbers: set[int] = set()
    try:
        for (number,) in old.execute(query):
            if isinstance(number, int):
                numbers.add(number)
    except sqlite3.DatabaseError as error:
        logger.warning("damage was met (%s)", error)
    return numbers


def _found(old: sqlite3.Connection, numbers: range) -> Iterator[tuple[int, tuple[Any, ...] | None]]:
    query = f"SELECT {COLUMNS} FROM rows WHERE row BETWEEN ? AND ?"
    try:
        rows = {row[0]: row for row in old.execute(query, (numbers[0], numbers[-1])).fetchall()}
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        rows = {}
        for number in numbers:
            try:
                rows.update({row[0]: row for row in old.execute(query, (number, number)).fetchall()})
            except (sqlite3.DatabaseError, UnicodeDecodeError):
                continue
    for number in numbers:
        yield number, rows.get(number)


def _encode_again(part: Path, entries: list[Entry], model: Any, settings: dict[str, Any]) -> None:
    """Encode texts whose vectors were damaged."""
    encoder = OwnModel(part.parent, model, settings=settings).encoder
    vectors = encoder.encode([entry.text for entry in entries], role=PromptRole.PASSAGE)
    fresh = Store(part)
    try:
        with fresh.writing() as changes:
            changes.add(entries, unit_rows(vectors) if settings["metric"] == "cosine" else vectors)
        fresh.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        fresh.close()


def _take_the_place(folder: Path, part: Path) -> None:
    """Put the fresh file in place of the old one, whose write-ahead log must be empty: it is not the new file's.

    Raises:
        DamagedFileError: Another process has the index open.
    """
    old = sqlite3.connect(folder / FILE, isolation_level=None)
    try:
        busy, *_ = old.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.DatabaseError:
        busy = 0  # too damaged to have a log that anyone could use
    finally:
        old.close()
    if busy:
        raise DamagedFileError(
            "is open in another process, which would go on with the old file.",
            where=folder / FILE,
            next_step="Close it there, and give the same command again.",
        )
    files.remove(folder / generations.CURRENT_FILE)
    for suffix in ("-wal", "-shm"):
        files.remove(folder / f"{FILE}{suffix}")
    files.rename(part / FILE, folder / FILE)
    files.rename(part / COMMITTED_FILE, folder / COMMITTED_FILE)
    files.sync_folder(folder)
