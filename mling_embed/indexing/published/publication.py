"""Publication: from the rows as of one commit to a new generation."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from mling_embed.indexing.harmonization import Harmonization, searched_vectors
from mling_embed.indexing.published import generations
from mling_embed.indexing.published.faiss_kinds import Kind, build, plan
from mling_embed.indexing.published.generations import Manifest
from mling_embed.indexing.storage.locking import WAIT_SECONDS, Task, lock
from mling_embed.indexing.storage.rows import Row
from mling_embed.indexing.storage.store import Store
from mling_embed.progress import Progress, silent

logger = logging.getLogger(__name__)

_ROWS_AT_ONCE = 4096


def publish_rows(
    folder: Path, store: Store, *, kind: Kind | None, progress: Progress = silent, wait: float = WAIT_SECONDS
) -> Manifest:
    """Build a generation of all rows and make it the current one. Others may search and write meanwhile.

    Args:
        folder: The index.
        store: Its rows.
        kind: The kind to build; by default the one that fits size and memory.
        progress: Told the rows read.
        wait: Seconds to wait for another publisher.
    """
    with lock(folder, Task.PUBLISH, work="publish", wait=wait):
        reader = Store(folder)  # of its own, so that nobody waits for a long read
        try:
            return _publish(folder, reader, kind, progress)
        finally:
            reader.close()


def _publish(folder: Path, store: Store, kind: Kind | None, progress: Progress) -> Manifest:
    with store.reading():
        state, settings = store.state(), store.read("settings")
        store.settings = settings
        offsets = settings.get("harmonization")
        harmonization = Harmonization.from_json(offsets) if offsets else None
        vectors = np.empty((state.live, settings["dim"]), dtype=np.float32)
        numbers, entries = [], []
        part: list[Row] = []
        for row in store.scan():
            part.append(row)
            numbers.append(row.number)
            entries.append(row.entry)
            if len(part) == _ROWS_AT_ONCE:
                vectors[len(numbers) - len(part) : len(numbers)] = searched_vectors(part, harmonization)
                progress("reading rows", len(numbers), state.live)
                part = []
        if part:
            vectors[len(numbers) - len(part) : len(numbers)] = searched_vectors(part, harmonization)
        progress("reading rows", state.live, state.live)
    chosen = plan(kind, len(numbers), settings["dim"])
    progress(f"building {chosen.kind}", 0, 1)
    built = build(chosen.kind, vectors)
    manifest = Manifest(
        number=generations.next_number(folder),
        index=settings["index"],
        epoch=state.epoch,
        commit=state.commit,
        last_row=state.last_row,
        rows=len(numbers),
        digest=state.digest,
        dim=settings["dim"],
        metric=settings["metric"],
        longest=float(np.linalg.norm(vectors, axis=1).max(initial=0.0)),
        fingerprint=settings["fingerprint"],
        prompts=settings["prompts"],
        harmonized=None if harmonization is None else harmonization.fingerprint,
        kind=chosen.kind,
        reason=chosen.reason,
        parameters=built.parameters,
        recall_at_10=built.recall,
        recall_queries=built.n_queries,
    )
    manifest = generations.publish(folder, manifest, vectors=vectors, built=built, numbers=numbers, entries=entries)
    progress(f"building {chosen.kind}", 1, 1)
    logger.info(
        "generation %d: %s (%s), recall@10 %.3f", manifest.number, chosen.kind, chosen.reason, manifest.recall_at_10
    )
    return manifest
