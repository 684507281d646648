"""Export to Parquet, the file that any vector store can be filled from: id, text, vector, and what else is known."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from mling_embed.files import atomic_writer
from mling_embed.indexing.exchange.exported import arrow_batch, arrow_schema, row_batches
from mling_embed.indexing.storage.store import Store
from mling_embed.progress import Progress, silent


def export_parquet(store: Store, path: Path, *, progress: Progress = silent) -> int:
    """Write all rows to a file, which appears when it is whole; return how many.

    Model, fingerprint and metric stand in the file's own metadata.
    """
    schema, done = arrow_schema(store), 0
    with atomic_writer(path) as file, pq.ParquetWriter(file, schema) as writer:
        for rows in row_batches(store, progress=progress):
            writer.write_batch(arrow_batch(rows, schema))
            done += len(rows)
    return done
