"""Build an index of real sentences in ten languages and ask it, beside FAISS, txtai and LanceDB on the same vectors.

Sentences and queries are TSV files with columns id, language, text (queries: English translations of the sentences of
the same ids). Contestants take turns, query by query, so that ratios hold on a busy machine. Peers run in an
environment of their own: give its python with ``--peers``.

python benchmarks/index_speed.py OUT --sentences FILE.tsv --queries FILE.tsv --model FOLDER [--peers PYTHON]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import faiss
import numpy as np
from measure import FOLDER, Measurement, say, talk

from mling_embed.encoders.contract import PromptRole
from mling_embed.encoders.loading import load
from mling_embed.indexing.index import Index
from mling_embed.indexing.published.faiss_kinds import asking, build
from mling_embed.indexing.upkeep.stats import bytes_of
from mling_embed.neighbors.vectors import unit_rows

KINDS = ("flat", "hnsw", "ivf-flat", "ivf-pq")
K, BATCH = 10, 64


def table(path: Path) -> dict[str, list[str]]:
    """Read a TSV with a header."""
    header, *rows = (line.split("\t") for line in path.read_text(encoding="utf-8").rstrip("\n").split("\n"))
    return {name: [row[place] for row in rows] for place, name in enumerate(header)}


def turns(
    contestants: dict[str, Callable[[np.ndarray], Any]], queries: np.ndarray, batch: int, repeats: int
) -> dict[str, list[float]]:
    """Time contestants on the same queries, in turns; the first two are not counted."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(repeats + 2):
        at = turn * batch % (len(queries) - batch)
        part = np.ascontiguousarray(queries[at : at + batch])
        for name, ask in contestants.items():
            began = time.perf_counter()
            ask(part)
            if turn > 1:
                times[name].append(time.perf_counter() - began)
    return times


def raw(kind: str, vectors: np.ndarray, parameters: dict[str, int]) -> Callable[[np.ndarray], Any]:
    """Return the bare search of the same FAISS index."""
    if kind == "flat":
        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(vectors)
        return lambda queries: index.search(queries, K)
    built = build(kind, vectors)  # type: ignore[arg-type]
    return lambda queries: asking(kind, built.index, parameters)(queries, K)  # type: ignore[arg-type]


def measured(result: Measurement, options: argparse.Namespace, folder: Path) -> None:
    """Do everything, in a folder."""
    sentences, asked = table(options.sentences), table(options.queries)
    encoder = load(options.model)
    with result.phase("encode"):
        vectors = encoder.encode(sentences["text"], role=PromptRole.PASSAGE)
    queries = unit_rows(encoder.encode(asked["text"], role=PromptRole.QUERY))
    units = unit_rows(vectors)
    _, truth = faiss.knn(queries, units, K, metric=faiss.METRIC_INNER_PRODUCT)
    rows = dict(enumerate(sentences["id"]))
    exact = [{rows[place] for place in found} for found in truth.tolist()]
    path = folder / "index"
    index = Index.create(path, model=options.model)
    with result.phase("add"):
        index.add(sentences["text"], sentences["id"], sentences["language"], vectors=vectors, progress=talk)
    for kind in options.kinds.split(","):
        with result.phase(f"publish {kind}"):
            manifest = index.publish(kind=kind)
        bare = raw(kind, units, dict(manifest.parameters))
        index.search_vectors(queries[:1], K)
        found = [
            hit
            for start in range(0, len(queries), BATCH)
            for hit in index.search_vectors(queries[start : start + BATCH], K)
        ]
        recall = float(
            np.mean([len({hit.id for hit in hits} & right) / K for hits, right in zip(found, exact, strict=True)])
        )
        for batch, repeats in ((1, options.repeats), (BATCH, options.repeats // 5)):
            times = turns({"ours": lambda part: index.search_vectors(part, K), "faiss": bare}, queries, batch, repeats)
            ours, theirs = (np.array(times[name]) for name in ("ours", "faiss"))
            record = {
                "task": f"{kind}, batch {batch}",
                "n": repeats,
                "score": float(np.median(ours) / np.median(theirs)),
                "p50_ms": 1e3 * float(np.median(ours)),
                "p99_ms": 1e3 * float(np.quantile(ours, 0.99)),
                "faiss_p50_ms": 1e3 * float(np.median(theirs)),
                "faiss_p99_ms": 1e3 * float(np.quantile(theirs, 0.99)),
                "median_more_ms": 1e3 * float(np.median(ours - theirs)),
                "recall_at_10": recall,
                "recall_at_build": manifest.recall_at_10,
            }
            result.scores.append(record)
            say(json.dumps(record))
            name = f"{kind.replace('-', '_')}_{batch}"
            result.figures |= {f"{name}_ratio": record["score"], f"{name}_more_ms": record["median_more_ms"]}
        result.figures[f"{kind.replace('-', '_')}_recall"] = recall
        result.facts[f"{kind}_bytes"] = bytes_of(path)
        result.write(options.out)  # what is known so far
    right = [asked["id"][place] in {hit.id for hit in hits} for place, hits in enumerate(found)]
    result.figures["translation_in_top_10"] = float(np.mean(right))
    began = time.perf_counter()
    Index.open(path, model=options.model).close()
    result.figures["open_seconds"] = time.perf_counter() - began
    index.publish(kind="flat")
    result.facts |= {"rows": len(rows), "bytes": bytes_of(path), "dim": encoder.dim, "queries": len(queries)}
    if options.peers:
        np.save(folder / "vectors.npy", units)
        np.save(folder / "queries.npy", queries)
        command = [str(options.peers), str(FOLDER / "index_peers.py"), str(folder), str(options.sentences)]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        result.scores += [json.loads(line) for line in told.splitlines() if line.startswith("{")]


def main() -> None:
    """Parse the options, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--sentences", type=Path, required=True)
    parser.add_argument("--queries", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--kinds", default=",".join(KINDS), help="kinds to build, separated by commas")
    parser.add_argument("--repeats", type=int, default=100, help="queries that are timed; a fifth as many batches")
    parser.add_argument("--peers", type=Path, help="the python of an environment with txtai and lancedb")
    options = parser.parse_args()
    result = Measurement("index_speed", seeds=[0])
    with TemporaryDirectory() as folder:
        measured(result, options, Path(folder))
    result.write(options.out)


if __name__ == "__main__":
    main()
