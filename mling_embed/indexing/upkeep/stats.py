"""What an index holds, and how much of it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import numpy as np

from mling_embed.indexing.results import IndexStats
from mling_embed.indexing.searching.view import View
from mling_embed.indexing.storage.store import Store


def bytes_of(folder: Path) -> int:
    """Return the size of an index on disk; files that others remove meanwhile do not count."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += (Path(parent) / name).stat().st_size
    return total


def index_stats(folder: Path, store: Store, view: View) -> IndexStats:
    """Return what an index is."""
    with store.reading() as connection:
        languages = dict(connection.execute("SELECT language, count(*) FROM rows GROUP BY language ORDER BY 2 DESC, 1"))
        query = "SELECT count(DISTINCT document) FROM rows WHERE document IS NOT NULL"
        documents = connection.execute(query).fetchone()[0]
    settings = store.settings
    manifest = view.generation.manifest if view.generation is not None else None
    offsets = settings["harmonization"]
    return IndexStats(
        rows=view.state.live,
        languages=languages,
        documents=documents,
        model=settings["model"],
        fingerprint=settings["fingerprint"],
        prompts=settings["prompts"],
        dim=settings["dim"],
        metric=settings["metric"],
        number_format=settings["number_format"],
        harmonized=tuple(sorted(offsets or ())),
        kind="" if manifest is None else str(manifest.kind),
        reason="" if manifest is None else manifest.reason,
        parameters={} if manifest is None else manifest.parameters,
        recall_at_10=None if manifest is None else manifest.recall_at_10,
        published=0 if manifest is None else manifest.rows,
        tail=len(view.tail.numbers),
        deleted=0 if view.alive is None else int((~view.alive).sum()),
        bytes=bytes_of(folder),
    )


def sample_texts(store: Store, language: str, size: int) -> list[str]:
    """Draw texts of a language, with a fixed seed."""
    with store.reading() as connection:
        query = "SELECT row FROM rows WHERE language = ? ORDER BY row"
        numbers = [number for (number,) in connection.execute(query, (language,))]
        if len(numbers) > size:
            numbers = np.sort(np.random.default_rng(0).choice(numbers, size, replace=False)).tolist()
        return [row.entry.text for row in store.rows(numbers).values()]
