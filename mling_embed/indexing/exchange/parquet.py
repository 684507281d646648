"""Export to Parquet, the file that vector stores are filled from: id, text, vector, and what else is known."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mling_embed.files import atomic_writer
from mling_embed.indexing.storage.rows import Row
from mling_embed.indexing.storage.store import Store
from mling_embed.progress import Progress, silent

_ROWS_AT_ONCE = 8192


def export_parquet(store: Store, path: Path, *, progress: Progress = silent) -> int:
    """Write all rows as of one commit; the file appears when it is whole.

    Vectors are a FixedSizeList<float32>[dim]; ``metadata`` is JSON; model, fingerprint and metric stand in the file's
    own metadata.

    Args:
        store: The rows.
        path: The file.
        progress: Told of rows written.

    Returns:
        Rows written.
    """
    settings = store.settings
    schema = pa.schema(
        [
            ("id", pa.string()),
            ("text", pa.string()),
            ("language", pa.string()),
            ("document", pa.string()),
            ("start", pa.int64()),
            ("end", pa.int64()),
            ("metadata", pa.string()),
            ("vector", pa.list_(pa.float32(), settings["dim"])),
        ],
        metadata={
            "model": settings["model"],
            "model_fingerprint": settings["fingerprint"],
            "metric": settings["metric"],
            "prompts": json.dumps(settings["prompts"], ensure_ascii=False),
        },
    )
    done = 0
    with store.reading(), atomic_writer(path) as file, pq.ParquetWriter(file, schema) as writer:
        live, rows = store.state().live, store.scan()
        while part := list(islice(rows, _ROWS_AT_ONCE)):
            writer.write_table(_table(part, schema))
            done += len(part)
            progress("exporting", done, live)
    return done


def _table(rows: list[Row], schema: pa.Schema) -> pa.Table:
    entries = [row.entry for row in rows]
    flat = np.stack([row.vector for row in rows]).astype(np.float32).ravel()
    columns = {
        "id": [entry.id for entry in entries],
        "text": [entry.text for entry in entries],
        "language": [entry.language for entry in entries],
        "document": [entry.document for entry in entries],
        "start": [entry.start for entry in entries],
        "end": [entry.end for entry in entries],
        "metadata": [json.dumps(dict(entry.metadata), ensure_ascii=False) for entry in entries],
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(flat), schema.field("vector").type.list_size),
    }
    return pa.table(columns, schema=schema)
