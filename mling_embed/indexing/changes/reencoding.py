"""Re-encoding: an index moves to another model, row by row beside the old vectors, and then all at once."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from mling_embed.encoders.contract import PromptRole
from mling_embed.errors import DamagedFileError, DataError
from mling_embed.indexing.model_match import ModelRecord
from mling_embed.indexing.searching.search import Metric
from mling_embed.indexing.storage.rows import content_sum, vector_sum
from mling_embed.indexing.storage.state import MODULUS
from mling_embed.indexing.storage.store import Store
from mling_embed.neighbors.vectors import unit_rows
from mling_embed.progress import Progress, silent

if TYPE_CHECKING:
    from mling_embed.encoders.contract import Encoder

_WORK = "reencoding"
_BATCH = 1024


def reencode_rows(store: Store, encoder: Encoder, model: ModelRecord, *, progress: Progress = silent) -> None:
    """Encode every text by another model, then put the new vectors in place of the old ones in one commit.

    Vectors of a call that was stopped are kept, if it was of the same model, and used where the text is the same.

    Args:
        store: The rows; nobody else may write.
        encoder: The model.
        model: What is kept of it.
        progress: Told of texts done.
    """
    _begin(store, model)
    live, done, last = store.state().live, 0, 0
    query = """SELECT rows.row, rows.content_sum = coalesce(reencoded.content_sum, x'') FROM rows
        LEFT JOIN reencoded USING (row) WHERE rows.row > ? ORDER BY rows.row LIMIT ?"""
    while True:
        with store.errors_named():
            found = store.connection.execute(query, (last, _BATCH)).fetchall()
        if not found:
            break
        _encode(store, encoder, [row for row, ready in found if not ready])
        last, done = found[-1][0], done + len(found)
        progress(_WORK, done, live)
    _replace(store, model)
    progress(_WORK, live, live)


def _begin(store: Store, model: ModelRecord) -> None:
    """Drop the vectors of another model that an earlier call left."""
    with store.transaction() as connection:
        if store.has("reencoding") and store.read("reencoding") == model.fingerprint:
            return
        connection.execute("DELETE FROM reencoded")
        store.put("reencoding", model.fingerprint)


def _encode(store: Store, encoder: Encoder, numbers: list[int]) -> None:
    if not numbers:
        return
    rows = list(store.rows(numbers).values())
    vectors = encoder.encode([row.entry.text for row in rows], role=PromptRole.PASSAGE)
    if Metric(store.settings["metric"]) is Metric.COSINE:
        vectors = unit_rows(vectors)
    if not np.isfinite(vectors).all():
        bad = rows[int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])]
        raise DataError(f"the new vector of {bad.entry.text[:60]!r} is not finite.", where=f"id {bad.entry.id!r}")
    stored = np.ascontiguousarray(vectors, dtype=str(store.number_format))
    records = []
    for row, vector in zip(rows, stored, strict=True):
        blob = vector.tobytes()
        records.append((row.number, content_sum(row.number, row.entry.columns()), blob, vector_sum(row.number, blob)))
    with store.transaction() as connection:
        connection.executemany("INSERT OR REPLACE INTO reencoded VALUES (?, ?, ?, ?)", records)


def _replace(store: Store, model: ModelRecord) -> None:
    with store.writing() as changes:
        connection, digest = store.connection, 0
        width = model.dim * np.dtype(str(store.number_format)).itemsize
        joined = """SELECT rows.row, rows.content_sum, reencoded.vector, reencoded.vector_sum FROM rows
            LEFT JOIN reencoded ON reencoded.row = rows.row AND reencoded.content_sum = rows.content_sum
            WHERE rows.row > ? ORDER BY rows.row LIMIT ?"""
        last = 0
        while part := connection.execute(joined, (last, _BATCH)).fetchall():
            for row, content, vector, checksum in part:
                if vector is None or len(vector) != width or vector_sum(row, vector) != checksum:
                    what = f"the new vector of row {row} is damaged."
                    raise DamagedFileError(what, where=store.path, next_step="Give the same command again.")
                connection.execute("UPDATE rows SET vector = ?, vector_sum = ? WHERE row = ?", (vector, checksum, row))
                digest += int.from_bytes(content + checksum, "little")
            last = part[-1][0]
        connection.execute("DELETE FROM reencoded")
        store.remove("reencoding")
        changes.replace_all(dataclasses.replace(changes.state, digest=f"{digest % MODULUS:x}"))
        changes.change_settings(
            model=model.model,
            fingerprint=model.fingerprint,
            dim=model.dim,
            prompts=dict(model.prompts),
            harmonization=None,
        )
    store.settings = store.read("settings")
