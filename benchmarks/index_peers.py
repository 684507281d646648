"""Build and ask one index after another on the same vectors, and kill each while it adds: txtai, LanceDB, and ours.

Runs in whatever environment has them, for `index_race.py`; prints a line of JSON for each. Rows of the kills are added
a thousand a call, and saved, so that each call that returned is a promise.

python benchmarks/index_peers.py FOLDER CONTESTANT...   (FOLDER holds vectors.npy, queries.npy: unit-norm, float32)
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

os.environ["ALLOW_RESOLVE_TRANSFORM"] = "True"  # lets txtai find `transform`
K, REPEATS, KILLS, KILLED_ROWS = 10, 100, 5, 20_000
STEP = 1000
Ask = Callable[[np.ndarray], list[str]]


def told(done: int) -> None:
    """Say how many rows are in, as far as calls returned."""
    print("done", done, flush=True, file=sys.stderr)


def lancedb_table(place: Path, vectors: np.ndarray, step: int, *, index: bool = False) -> Ask:
    """Fill a LanceDB table: exact search, or its default index (IVF-PQ)."""
    import lancedb
    from lancedb.index import IvfPq

    base = lancedb.connect(str(place))
    table: Any = None
    for start in range(0, len(vectors), step):
        part = vectors[start : start + step]
        rows = [{"id": str(start + at), "vector": vector} for at, vector in enumerate(part)]
        if table is None:
            table = base.create_table("texts", rows)
        else:
            table.add(rows)
        told(start + len(part))
    if index:
        table.create_index("vector", config=IvfPq(distance_type="dot"))
    return lambda query: [
        row["id"] for row in table.search(query).distance_type("dot").limit(K).select(["id", "_distance"]).to_list()
    ]


def lancedb_ivf_pq(place: Path, vectors: np.ndarray, step: int) -> Ask:
    """Fill a LanceDB table and make its default index."""
    return lancedb_table(place, vectors, step, index=True)


GIVEN: dict[str, np.ndarray] = {}  # what txtai's encoder knows


def transform(texts: Any) -> np.ndarray:
    """Stand for txtai's encoder, which it finds by name when it loads an index."""
    return np.stack([GIVEN[text] for text in texts])


def txtai_index(place: Path, vectors: np.ndarray, step: int) -> Ask:
    """Fill a txtai index, saved after each call; its default FAISS settings."""
    import index_peers  # this file, as txtai imports it
    from txtai import Embeddings

    index_peers.GIVEN.update((str(row), vector) for row, vector in enumerate(vectors))
    settings = {"method": "external", "transform": "index_peers.transform", "content": False, "backend": "faiss"}
    embeddings = Embeddings(settings)
    for start in range(0, len(vectors), step):
        part = [(str(at), str(at), None) for at in range(start, min(start + step, len(vectors)))]
        if start:
            embeddings.upsert(part)
        else:
            embeddings.index(part)
        embeddings.save(str(place))
        told(start + len(part))

    def ask(query: np.ndarray) -> list[str]:
        index_peers.GIVEN["query"] = query
        return [id_ for id_, _ in embeddings.search("query", K)]

    return ask


class Nothing:
    """Stand for the encoder of an index that is given all its vectors."""

    def encode(self, texts: list[str]) -> np.ndarray:
        """Encode nothing; the width is that of the vectors given."""
        return np.ones((len(texts), width), dtype=np.float32)


width = 0


def our_index(place: Path, vectors: np.ndarray, step: int) -> Ask:
    """Fill an index of this package; exact search."""
    from mling_embed.indexing.index import Index

    global width
    width = vectors.shape[1]
    index = Index.create(place, model=Nothing())
    for start in range(0, len(vectors), step):
        part = vectors[start : start + step]
        ids = [str(start + at) for at in range(len(part))]
        index.add(ids, ids, vectors=part)
        told(start + len(part))
    index.publish_tail()
    return lambda query: [hit.id for hit in index.search_vectors(query[None], K)[0]]


CONTESTANTS = {
    "mling_embed": our_index,
    "lancedb": lancedb_table,
    "lancedb ivf-pq": lancedb_ivf_pq,
    "txtai": txtai_index,
}


def rows_left(name: str, place: Path) -> int | str:
    """Return how many rows can be read of what a killed process left, or the error that reading gives."""
    try:
        if name == "mling_embed":
            from mling_embed.indexing.index import Index

            index = Index.open(place, model=Nothing())
            problems = index.verify().problems
            return index.count() if not problems else problems[0]
        if name.startswith("lancedb"):
            import lancedb

            return int(lancedb.connect(str(place)).open_table("texts").count_rows())
        from txtai import Embeddings

        embeddings = Embeddings()
        embeddings.load(str(place))
        return int(embeddings.count())
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:100]}"


def killed(name: str, folder: Path, seconds: float) -> tuple[int, int | str]:
    """Let a process fill an index, kill it once it has written something; return what it said and what is left."""
    place = folder / "killed"
    shutil.rmtree(place, ignore_errors=True)
    child = subprocess.Popen(
        [sys.executable, __file__, str(folder), name, "--fill", str(place)], stderr=subprocess.PIPE, text=True
    )
    said = 0
    for line in child.stderr or ():
        if line.startswith("done"):
            if not said:
                threading.Timer(seconds, child.send_signal, (signal.SIGKILL,)).start()
            said = int(line.split()[1])
    child.wait()
    return said, rows_left(name, place)


def measured(name: str, folder: Path, vectors: np.ndarray, queries: np.ndarray) -> dict[str, Any]:
    """Build, ask and kill one."""
    place = folder / name.replace(" ", "-")
    shutil.rmtree(place, ignore_errors=True)
    truth = np.argsort(-(queries[:REPEATS] @ vectors.T), axis=1)[:, :K]
    began, cpu = time.perf_counter(), time.process_time()
    ask = CONTESTANTS[name](place, vectors, len(vectors))
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
    ask(queries[0])
    times, found = [], []
    for query in queries[:REPEATS]:
        began = time.perf_counter()
        found.append(ask(query))
        times.append(time.perf_counter() - began)
    right = [
        len({str(place) for place in row} & set(hits)) / K for row, hits in zip(truth.tolist(), found, strict=True)
    ]
    chance = random.Random(0)
    kills: list[tuple[int, int | str]] = [killed(name, folder, chance.uniform(0.01, 2)) for _ in range(KILLS)]
    return {
        "task": name,
        "version": version(name.partition(" ")[0].replace("_", "-")),
        "n": REPEATS,
        "score": float(np.mean(right)),
        "build_seconds": seconds,
        "build_cpu_seconds": cpu_seconds,
        "p50_ms": 1e3 * float(np.median(times)),
        "p99_ms": 1e3 * float(np.quantile(times, 0.99)),
        "bytes": sum(path.stat().st_size for path in place.rglob("*") if path.is_file()),
        "kills": KILLS,
        "kills_that_lost": sum(not isinstance(left, int) or left < said for said, left in kills),
        "rows acknowledged and left": "; ".join(f"{said:,}: {left}" for said, left in kills),
    }


def main() -> None:
    """Measure the contestants named, or fill one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="+", choices=list(CONTESTANTS))
    parser.add_argument("--fill", type=Path, help="fill this place in steps and leave; to be killed meanwhile")
    options = parser.parse_args()
    vectors, queries = np.load(options.folder / "vectors.npy"), np.load(options.folder / "queries.npy")
    if options.fill is not None:
        CONTESTANTS[options.names[0]](options.fill, vectors[:KILLED_ROWS], STEP)
        return
    for name in options.names:
        print(json.dumps(measured(name, options.folder, vectors, queries)), flush=True)


if __name__ == "__main__":
    main()
