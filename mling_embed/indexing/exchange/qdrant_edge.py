"""Export to Qdrant Edge: a shard that Qdrant's engine searches in this process, without a server.

    shard = EdgeShard.load(FOLDER)
    shard.search(SearchRequest(Query.Nearest(vector), 10, with_payload=True))

A point's id is a UUID made from the text's id, which stands in the payload with all that is known of the text. Facts of
the model stand in ``mling_embed.json`` beside the segments.
"""

from __future__ import annotations

import uuid
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from mling_embed.files import replacing_folder, write_json
from mling_embed.indexing.exchange.exported import engine, facts_of, require_new, row_batches
from mling_embed.indexing.storage.rows import Entry
from mling_embed.indexing.storage.store import Store
from mling_embed.progress import Progress, silent

FACTS_FILE = "mling_embed.json"
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "mling-embed")


def point_id(id_: str) -> str:
    """Return the UUID of a text's id: the same in every export."""
    return str(uuid.uuid5(NAMESPACE, id_))


def export_qdrant_edge(store: Store, folder: Path, *, progress: Progress = silent) -> int:
    """Write all rows to a new shard, which appears when it is whole and optimized; return how many.

    Raises:
        UsageError: Qdrant Edge is not installed, or something is at its place.
    """
    require_new(folder)
    qdrant = engine("qdrant_edge", "qdrant-edge")
    facts, done = facts_of(store), 0
    distance = qdrant.Distance.Cosine if facts["metric"] == "cosine" else qdrant.Distance.Dot
    with replacing_folder(folder) as part:
        config = qdrant.EdgeConfig(vectors=qdrant.EdgeVectorParams(size=int(facts["dim"]), distance=distance))
        shard = qdrant.EdgeShard.create(str(part), config)
        for rows in row_batches(store, progress=progress):
            points = [
                qdrant.Point(point_id(row.entry.id), row.vector.astype(np.float32).tolist(), _payload(row.entry))
                for row in rows
            ]
            shard.update(qdrant.UpdateOperation.upsert_points(points))
            done += len(rows)
        shard.optimize()
        shard.flush()
        shard.close()
        write_json(part / FACTS_FILE, facts)
    return done


def _payload(entry: Entry) -> dict[str, Any]:
    payload = {name: value for name, value in asdict(entry).items() if name != "guessed"}
    return {**payload, "metadata": dict(entry.metadata)}
