"""Build and ask txtai and LanceDB on the vectors of `index_speed`, and kill each while it adds. Runs where they are.

python benchmarks/index_peers.py FOLDER SENTENCES.tsv   (FOLDER holds vectors.npy and queries.npy)
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

K, REPEATS, KILLS = 10, 30, 5
STEP = 1000


def lancedb_table(place: Path, ids: list[str], vectors: np.ndarray) -> Callable[[np.ndarray], list[str]]:
    """Fill a LanceDB table, a thousand rows a call; exact search."""
    import lancedb

    table = None
    base = lancedb.connect(str(place))
    for start in range(0, len(ids), STEP):
        rows = [
            {"id": id_, "vector": vector}
            for id_, vector in zip(ids[start : start + STEP], vectors[start : start + STEP], strict=True)
        ]
        if table is None:
            table = base.create_table("texts", rows)
        else:
            table.add(rows)
        print("done", min(start + STEP, len(ids)), flush=True, file=sys.stderr)
    return lambda query: [row["id"] for row in table.search(query).metric("dot").limit(K).select(["id"]).to_list()]


def txtai_index(place: Path, ids: list[str], vectors: np.ndarray) -> Callable[[np.ndarray], list[str]]:
    """Fill a txtai index, a thousand rows a call, saved after each; its default FAISS settings."""
    from txtai import Embeddings

    known = {id_: vector for id_, vector in zip(ids, vectors, strict=True)}  # noqa: C416
    asked: dict[str, np.ndarray] = {}

    def transform(texts: Any) -> np.ndarray:
        return np.stack([known[text] if text in known else asked[text] for text in texts])

    embeddings = Embeddings({"method": "external", "transform": transform, "content": False, "backend": "faiss"})
    for start in range(0, len(ids), STEP):
        part = [(id_, id_, None) for id_ in ids[start : start + STEP]]
        if start:
            embeddings.upsert(part)
        else:
            embeddings.index(part)
        embeddings.save(str(place))
        print("done", min(start + STEP, len(ids)), flush=True, file=sys.stderr)

    def ask(query: np.ndarray) -> list[str]:
        asked["query"] = query
        return [id_ for id_, _ in embeddings.search("query", K)]

    return ask


PEERS = {"lancedb": lancedb_table, "txtai": txtai_index}


def rows_left(name: str, place: Path) -> int | str:
    """Return how many rows can be read of what a killed process left, or the error that reading gives."""
    try:
        if name == "lancedb":
            import lancedb

            return int(lancedb.connect(str(place)).open_table("texts").count_rows())
        from txtai import Embeddings

        embeddings = Embeddings()
        embeddings.load(str(place))
        return int(embeddings.count())
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:100]}"


def killed(name: str, place: Path, seconds: float) -> dict[str, Any]:
    """Let a process fill an index and kill it once it has written something; compare what it said with what is left."""
    shutil.rmtree(place, ignore_errors=True)
    command = [sys.executable, __file__, *sys.argv[1:3], name, str(place)]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    said = 0
    for line in child.stderr or ():
        if line.startswith("done") and not said:
            threading.Timer(seconds, child.send_signal, (signal.SIGKILL,)).start()
        said = int(line.split()[1]) if line.startswith("done") else said
    child.wait()
    return {"acknowledged": said, "left": rows_left(name, place)}


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where vectors.npy and queries.npy are, as index_speed.py keeps them")
    parser.add_argument("sentences", type=Path, help="the TSV of ids and texts")
    parser.add_argument("child", nargs="*", help="a peer and its folder: fill it and leave, to be killed meanwhile")
    options = parser.parse_args()
    folder, sentences = options.folder, options.sentences
    if options.child:
        name, place = options.child
        vectors = np.load(folder / "vectors.npy")
        PEERS[name](Path(place), [str(number) for number in range(len(vectors))], vectors)
        return
    vectors, queries = np.load(folder / "vectors.npy"), np.load(folder / "queries.npy")
    ids = [line.split("\t")[0] for line in sentences.read_text(encoding="utf-8").split("\n")[1:] if line]
    truth = np.argsort(-(queries[:REPEATS] @ vectors.T), axis=1)[:, :K]
    for name, fill in PEERS.items():
        place = folder / name
        began = time.perf_counter()
        ask = fill(place, ids, vectors)
        seconds = time.perf_counter() - began
        ask(queries[0])
        times, found = [], []
        for query in queries[:REPEATS]:
            began = time.perf_counter()
            found.append(ask(query))
            times.append(time.perf_counter() - began)
        right = [len({ids[place] for place in row} & set(hits)) / K for row, hits in zip(truth, found, strict=True)]
        size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
        record = {
            "task": name,
            "n": REPEATS,
            "score": float(np.mean(right)),
            "build_seconds": seconds,
            "p50_ms": 1e3 * float(np.median(times)),
            "p99_ms": 1e3 * float(np.quantile(times, 0.99)),
            "bytes": size,
        }
        chance = random.Random(0)
        record["kills"] = [killed(name, folder / "killed", chance.uniform(0.01, 2)) for _ in range(KILLS)]
        print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
