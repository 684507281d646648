"""What every export holds: all rows as of one commit, and whose vectors they are."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa

from mling_embed.errors import UsageError
from mling_embed.indexing.storage.rows import Row
from mling_embed.indexing.storage.store import Store
from mling_embed.progress import Progress, silent

TABLE = "texts"
_ROWS_AT_ONCE = 4096


def facts_of(store: Store) -> dict[str, str]:
    """Return what an export says of its vectors: model, fingerprint, metric, width, prompts (JSON, by role)."""
    settings = store.settings
    return {
        "model": settings["model"],
        "model_fingerprint": settings["fingerprint"],
        "metric": settings["metric"],
        "dim": str(settings["dim"]),
        "prompts": json.dumps(settings["prompts"], ensure_ascii=False),
    }


def row_batches(store: Store, *, progress: Progress = silent) -> Iterator[list[Row]]:
    """Yield all rows as of one commit, some thousands at a time.

    Raises:
        DamagedFileError: A row is not what was written.
    """
    with store.reading():
        done, live, rows = 0, store.state().live, store.scan()
        while part := list(islice(rows, _ROWS_AT_ONCE)):
            yield part
            done += len(part)
            progress("exporting", done, live)


def arrow_schema(store: Store) -> pa.Schema:
    """Return the columns of a table of rows; vectors are a FixedSizeList<float32>[dim], ``metadata`` is JSON."""
    return pa.schema(
        [
            ("id", pa.string()),
            ("text", pa.string()),
            ("language", pa.string()),
            ("document", pa.string()),
            ("start", pa.int64()),
            ("end", pa.int64()),
            ("metadata", pa.string()),
            ("vector", pa.list_(pa.float32(), store.settings["dim"])),
        ],
        metadata=facts_of(store),
    )


def arrow_batch(rows: list[Row], schema: pa.Schema) -> pa.RecordBatch:
    """Return rows as a batch of such a table."""
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
    return pa.record_batch(columns, schema=schema)


def engine(module: str, extra: str) -> ModuleType:
    """Import the package of a vector store.

    Raises:
        UsageError: It is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UsageError(
            f"exporting there needs {module} ({error}).", next_step=f'Install it: pip install "mling-embed[{extra}]".'
        ) from None


def require_new(folder: Path) -> None:
    """Check that nothing would be written over.

    Raises:
        UsageError: Something is at its place.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError("something is there already.", where=folder, next_step="Remove it, or choose another folder.")
