"""Compaction: rows get new numbers without gaps, and the space of deleted ones is given back."""

from __future__ import annotations

import dataclasses

from mling_embed.indexing.storage import full_text
from mling_embed.indexing.storage.rows import content_sum, vector_sum
from mling_embed.indexing.storage.state import MODULUS, State
from mling_embed.indexing.storage.store import Store
from mling_embed.progress import Progress, silent


def compact_rows(store: Store, *, progress: Progress = silent) -> None:
    """Number the rows anew from 1 in one commit, then let SQLite shrink its file. Older generations are void.

    Args:
        store: The rows.
        progress: Told of rows done.
    """
    with store.writing() as changes:
        connection, state = store.connection, changes.state
        full_text.clear(connection)
        digest = number = 0
        for row in store.scan():
            number += 1
            sums = (content_sum(number, row.entry.columns()), vector_sum(number, row.vector.tobytes()))
            connection.execute(
                "UPDATE rows SET row = ?, content_sum = ?, vector_sum = ? WHERE row = ?", (number, *sums, row.number)
            )
            full_text.add(connection, [(number, row.entry.text)])
            digest += int.from_bytes(b"".join(sums), "little")
            if number % 1024 == 0:
                progress("compacting", number, state.live)
        connection.execute("DELETE FROM deletions")
        connection.execute("DELETE FROM reencoded")
        fresh = State(epoch=state.epoch + 1, last_row=number, live=number, digest=f"{digest % MODULUS:x}")
        changes.replace_all(dataclasses.replace(fresh, commit=state.commit))
        progress("compacting", number, number)
    with store.errors_named():
        store.connection.execute("VACUUM")
        store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
