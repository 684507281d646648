"""Build an index of real sentences in many languages and ask it, beside FAISS on the same vectors.

Sentences are of the shared pool (`index_data.py`), queries English translations of some of them. Ours and the bare
search of the same FAISS index take turns, query by query, so that ratios hold on a busy machine; the encoder is apart.
(Beside LanceDB and txtai: `index_race.py`.)

Vectors are kept in the cache for all benchmarks and evaluations; some are computed again here, for the rate and the
difference. With ``--work`` indexes are kept in a folder. ``--prepare`` stops when they are there, so that the timing
can be done alone, later, on a quiet machine.

python benchmarks/index_speed.py OUT [--model STUDENT] [--work FOLDER] [--prepare]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import faiss
import numpy as np
from index_data import PER_LANGUAGE, Sentences, encoding, read_sentences, vectors_of
from measure import Measurement, say, talk

from mling_embed.encoders.contract import PromptRole
from mling_embed.encoders.loading import load
from mling_embed.files import read_json, write_json
from mling_embed.indexing.index import Index
from mling_embed.indexing.published import generations
from mling_embed.indexing.published.faiss_kinds import asking
from mling_embed.indexing.upkeep.stats import bytes_of
from mling_embed.neighbors.vectors import unit_rows

KINDS = ("flat", "hnsw", "ivf-flat", "ivf-pq")
K, BATCH = 10, 64
STUDENT_VARIABLE = "MLING_EMBED_BENCH_STUDENT"


def turns(
    contestants: dict[str, Callable[[np.ndarray], Any]], queries: np.ndarray, batch: int, repeats: int
) -> dict[str, np.ndarray]:
    """Time contestants on the same queries, in turns, each first as often as the other; the first two do not count."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(repeats + 2):
        at = turn * batch % (len(queries) - batch)
        part = np.ascontiguousarray(queries[at : at + batch])
        for name in list(contestants)[:: 1 if turn % 2 else -1]:
            began = time.perf_counter()
            contestants[name](part)
            if turn > 1:
                times[name].append(time.perf_counter() - began)
    return {name: np.array(found) for name, found in times.items()}


def prepared(work: Path, options: argparse.Namespace, sentences: Sentences, vectors: np.ndarray) -> dict[str, Any]:
    """Build an index of each kind, as far as they are not there; return how long it took."""
    facts_file, base = work / "built.json", work / "rows"
    facts: dict[str, Any] = read_json(facts_file) if facts_file.exists() else {}
    if "add" not in facts:
        shutil.rmtree(base, ignore_errors=True)
        began, cpu = time.perf_counter(), time.process_time()
        with Index.create(base, model=options.model, kind="flat") as index:
            entries = (sentences.texts, sentences.ids, sentences.languages)
            index.add(*entries, vectors=vectors, progress=talk)
            index.publish()
        facts["add"] = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu}
        write_json(facts_file, facts)
    for kind in options.kinds.split(","):
        if kind in facts:
            continue
        path = work / kind
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(base, path)
        began, cpu = time.perf_counter(), time.process_time()
        with Index.open(path, model=options.model) as index:
            index.publish(kind=kind)
        facts[kind] = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu}
        facts[kind]["bytes"] = bytes_of(path)
        write_json(facts_file, facts)
        say(f"{kind}: {facts[kind]}")
    return facts


def bare(path: Path) -> Callable[[np.ndarray], Any]:
    """Return the bare search of the FAISS index that is published."""
    generation = generations.open_current(path)
    if generation is None:
        raise SystemExit(f"{path}: nothing is published")
    search = asking(generation.manifest.kind, generation.index, generation.manifest.parameters)
    return lambda queries: search(queries, K)


def timed(result: Measurement, kind: str, path: Path, exact: list[set[str]], queries: np.ndarray, repeats: int) -> None:
    """Measure one kind beside FAISS."""
    with Index.open(path) as index:
        manifest, theirs = index.stats(), bare(path)
        index.search_vectors(queries[:1], K)
        parts = [queries[start : start + BATCH] for start in range(0, len(queries), BATCH)]
        found = [hits for part in parts for hits in index.search_vectors(part, K)]
        right = [len({hit.id for hit in hits} & best) / K for hits, best in zip(found, exact, strict=True)]
        ask: dict[str, Callable[[np.ndarray], Any]] = {"ours": lambda part: index.search_vectors(part, K)}
        for batch, times in ((1, repeats), (BATCH, max(5, repeats // 5))):
            each = turns({**ask, "faiss": theirs}, queries, batch, times)
            record: dict[str, Any] = {
                "task": f"{kind}, batch {batch}",
                "n": times,
                "score": float(np.median(each["ours"]) / np.median(each["faiss"])),
                "p50_ms": 1e3 * float(np.median(each["ours"])),
                "p99_ms": 1e3 * float(np.quantile(each["ours"], 0.99)),
                "faiss_p50_ms": 1e3 * float(np.median(each["faiss"])),
                "faiss_p99_ms": 1e3 * float(np.quantile(each["faiss"], 0.99)),
                "median_more_ms": 1e3 * float(np.median(each["ours"] - each["faiss"])),
                "recall_at_10": float(np.mean(right)),
                "recall_at_build": manifest.recall_at_10,
                "parameters": json.dumps(dict(manifest.parameters)),
            }
            result.scores.append(record)
            say(json.dumps(record))
            name = f"{kind.replace('-', '_')}_{batch}"
            result.figures |= {f"{name}_ratio": record["score"], f"{name}_more_ms": record["median_more_ms"]}
    result.figures[f"{kind.replace('-', '_')}_recall_at_10"] = float(np.mean(right))


def measured(result: Measurement, options: argparse.Namespace, work: Path) -> None:
    """Do everything, in a folder."""
    sentences, encoder = read_sentences(per_language=options.per_language), load(options.model)
    with result.phase("encode what is not kept"):
        vectors = vectors_of(encoder, sentences.texts, PromptRole.PASSAGE)
        queries = unit_rows(vectors_of(encoder, sentences.queries, PromptRole.QUERY))
    if not options.prepare:
        result.facts |= encoding(encoder, sentences.texts, vectors)
    units = unit_rows(vectors)
    with result.phase("prepare"):
        facts = prepared(work, options, sentences, vectors)
    if options.prepare:
        return
    _, truth = faiss.knn(queries, units, K, metric=faiss.METRIC_INNER_PRODUCT)
    exact = [{sentences.ids[place] for place in found} for found in truth.tolist()]
    with result.phase("ask"):
        for kind in options.kinds.split(","):
            timed(result, kind, work / kind, exact, queries, options.repeats)
    answered = [answer in found for answer, found in zip(sentences.answers, exact, strict=True)]
    result.figures["translation_in_top_10"] = float(np.mean(answered))
    counts = {"rows": len(units), "dim": encoder.dim, "queries": len(queries), "languages": len({*sentences.languages})}
    result.facts |= {**counts, "fingerprint": encoder.fingerprint[:16], "bytes": bytes_of(work / "flat")}
    result.facts["built"] = [{"what": name, **found} for name, found in facts.items()]


def main() -> None:
    """Parse the options, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--model", default=os.environ.get(STUDENT_VARIABLE), help=f"default: ${STUDENT_VARIABLE}")
    parser.add_argument("--per-language", type=int, default=PER_LANGUAGE, help="sentences of each of ten languages")
    parser.add_argument("--kinds", default=",".join(KINDS), help="kinds to build, separated by commas")
    parser.add_argument("--repeats", type=int, default=200, help="queries that are timed; a fifth as many batches")
    parser.add_argument("--work", type=Path, help="where indexes are kept")
    parser.add_argument("--prepare", action="store_true", help="build, and stop before anything is timed")
    options = parser.parse_args()
    if not options.model:
        parser.error(f"name a student: --model, or ${STUDENT_VARIABLE}")
    result = Measurement("index_speed", seeds=[0])
    with TemporaryDirectory() as folder:
        work = options.work or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        measured(result, options, work)
    if not options.prepare:
        result.write(options.out)


if __name__ == "__main__":
    main()
