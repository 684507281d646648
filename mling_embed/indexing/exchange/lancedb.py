"""Export to LanceDB: a folder with a table of texts, searched without a server.

    table = lancedb.connect(FOLDER).open_table("texts")
    table.search(vector).distance_type("cosine").limit(10).to_list()

Facts of the model stand in the metadata of the table's schema.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from mling_embed.files import replacing_folder
from mling_embed.indexing.exchange.exported import TABLE, arrow_batch, arrow_schema, engine, require_new, row_batches
from mling_embed.indexing.storage.store import Store
from mling_embed.progress import Progress, silent


def export_lancedb(store: Store, folder: Path, *, progress: Progress = silent) -> int:
    """Write all rows to a new LanceDB folder, which appears when it is whole; return how many.

    Raises:
        UsageError: LanceDB is not installed, or something is at its place.
    """
    require_new(folder)
    lancedb = engine("lancedb", "lancedb")
    schema, done = arrow_schema(store), 0
    with replacing_folder(folder) as part:
        table = lancedb.connect(str(part)).create_table(TABLE, schema=schema)
        for rows in row_batches(store, progress=progress):  # here: LanceDB reads iterators in threads of its own
            table.add(pa.Table.from_batches([arrow_batch(rows, schema)]))
            done += len(rows)
        table.optimize()
    return done
