"""Export to PostgreSQL with pgvector: a table of texts in a database that is there.

    SELECT id, text FROM texts ORDER BY vector <=> %s::vector LIMIT 10      (<#> for the metric dot)

Facts of the model stand in the table's comment, as JSON. The search is exact; an index makes it faster and approximate:
``CREATE INDEX ON texts USING hnsw (vector vector_cosine_ops)``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from mling_embed.errors import DataError, MlingEmbedError, UsageError
from mling_embed.indexing.exchange.exported import TABLE, engine, facts_of, row_batches
from mling_embed.indexing.storage.rows import Row
from mling_embed.indexing.storage.store import Store
from mling_embed.progress import Progress, silent

SCHEMES = ("postgresql://", "postgres://")
_COLUMNS = (
    "id text PRIMARY KEY, text text NOT NULL, language text NOT NULL, document text, "
    '"start" bigint, "end" bigint, metadata jsonb NOT NULL'
)


def export_pgvector(store: Store, address: str, *, progress: Progress = silent) -> int:
    """Write all rows to a new table, in one transaction; return how many.

    Args:
        store: The rows.
        address: Of the database: ``postgresql://user:password@host/database``.
        progress: Told of rows written.

    Raises:
        UsageError: psycopg is not installed, the address is none, or a table of that name is there.
        DataError: A text holds a NUL character, which PostgreSQL cannot store.
        MlingEmbedError: The database refuses.
    """
    if not address.startswith(SCHEMES):
        step = "Give postgresql://user:password@host/database."
        raise UsageError(f"{address!r} is no address of a PostgreSQL database.", next_step=step)
    psycopg = engine("psycopg", "pgvector")
    facts, done = facts_of(store), 0
    try:
        with psycopg.connect(address) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
            cursor.execute(f"CREATE TABLE {TABLE} ({_COLUMNS}, vector vector({int(facts['dim'])}) NOT NULL)")
            comment = psycopg.sql.Literal(json.dumps(facts, ensure_ascii=False))
            cursor.execute(psycopg.sql.SQL(f"COMMENT ON TABLE {TABLE} IS {{}}").format(comment))
            with cursor.copy(f"COPY {TABLE} FROM STDIN") as copy:
                for rows in row_batches(store, progress=progress):
                    for record in _records(rows):
                        copy.write_row(record)
                    done += len(rows)
    except psycopg.errors.DuplicateTable:
        step = f"Drop it or rename it: ALTER TABLE {TABLE} RENAME TO ..."
        raise UsageError(f"a table {TABLE!r} is there already.", next_step=step) from None
    except psycopg.Error as error:
        reason = str(error).strip().partition("\n")[0]
        step = "pgvector must be installed in the database, and the user allowed to create tables."
        raise MlingEmbedError(f"the database refuses: {reason}.", next_step=step) from None
    return done


def _records(rows: list[Row]) -> Iterator[tuple[Any, ...]]:
    for row in rows:
        entry = row.entry
        metadata = json.dumps(dict(entry.metadata), ensure_ascii=False)
        if "\0" in "".join((entry.id, entry.text, entry.document or "")) or "\\u0000" in metadata:
            raise DataError("holds a NUL character, which PostgreSQL cannot store.", where=f"id {entry.id!r}")
        vector = "[" + ",".join(map(repr, row.vector.astype(np.float32).tolist())) + "]"
        yield (entry.id, entry.text, entry.language, entry.document, entry.start, entry.end, metadata, vector)
