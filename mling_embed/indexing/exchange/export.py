"""Where the rows of an index can go: a Parquet file, or a vector store."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from mling_embed.indexing.storage.store import Store
from mling_embed.progress import Progress, silent


class Target(StrEnum):
    """Name what is written: a file, the folder of an engine, or a table of a database."""

    PARQUET = "parquet"
    QDRANT_EDGE = "qdrant-edge"
    LANCEDB = "lancedb"
    PGVECTOR = "pgvector"


def export_rows(store: Store, out: str | Path, target: Target, *, progress: Progress = silent) -> int:
    """Write all rows as of one commit; return how many.

    Ids, texts, languages, metadata and the vectors as stored go out, with the model's name and fingerprint, its prompts
    and the metric. Offsets of harmonization do not: no store subtracts them from a query.

    Args:
        store: The rows.
        out: A file, a new folder, or a database's address.
        target: What is written.
        progress: Told of rows written.
    """
    match target:
        case Target.PARQUET:
            from mling_embed.indexing.exchange.parquet import export_parquet

            return export_parquet(store, Path(out), progress=progress)
        case Target.QDRANT_EDGE:
            from mling_embed.indexing.exchange.qdrant_edge import export_qdrant_edge

            return export_qdrant_edge(store, Path(out), progress=progress)
        case Target.LANCEDB:
            from mling_embed.indexing.exchange.lancedb import export_lancedb

            return export_lancedb(store, Path(out), progress=progress)
        case Target.PGVECTOR:
            from mling_embed.indexing.exchange.pgvector import export_pgvector

            return export_pgvector(store, str(out), progress=progress)
