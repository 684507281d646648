"""Race the exact top-k kernel, both ways, against FAISS, NumPy and sentence-transformers, and the bare matrix product.

python benchmarks/topk_speed.py OUT [--rounds N] [--parts races avx2 growth large largest] [--name CONDITION]

Every contestant of a race runs in one process, on the same vectors and threads. `avx2` runs the race again with every
library held to AVX2; the facts say of each library what it runs on, as it says itself.
Peers search 5,000 queries, sentence-transformers one way, the others each way, and their times are scaled up, as is the
bare product of more than 30,000 rows. Where others use the machine too, compare the processor's seconds: the figures
that end in ``_processor``.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from measure import Measurement, say

from mling_embed.hardware import processor_flags

Race = tuple[int, int, int, int, bool]  # rows of a side, width, k, rounds, whether the peers run
RACES = (((30_000, 768, 4),), ((30_000, 384, 4), (30_000, 384, 16)), ((30_000, 768, 16),))  # by processes
LARGE, LARGEST = (100_000, 768, 4), (300_000, 768, 4)
GROWTH = (10_000, 20_000, 40_000)
PARTS = ("races", "avx2", "growth", "large", "largest")
QUERIES, ST_CHUNKS = 5_000, {"default": None, "100": 100, "1000": 1000}
BARE_ROWS = 30_000
SAMPLE, SEED = 2_000, 0
ALONE_VARIABLE = "MLING_EMBED_BENCH_ALONE"  # words that run a command while nothing else runs
BARE, OURS, FAISS, NUMPY = "bare product", "ours", "faiss FlatIP both ways", "numpy both ways"
AVX2 = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
    "FAISS_SIMD_LEVEL": "AVX2",
    "NUMBA_CPU_NAME": "haswell",
}


def sides(n: int, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw unit vectors and noisy copies of them, at cosines about .7: translations, roughly."""
    from mling_embed.neighbors.vectors import unit_rows

    rng = np.random.default_rng([SEED, n, dim])
    source = unit_rows(rng.standard_normal((n, dim), dtype=np.float32))
    return source, unit_rows(source + unit_rows(rng.standard_normal((n, dim), dtype=np.float32)))


def bare_product(source: np.ndarray, target: np.ndarray, most: int) -> None:
    import torch

    left, right, side = torch.from_numpy(source[:most]), torch.from_numpy(target), 2048
    room = torch.empty(side * side)
    for row in range(0, len(left), side):
        for column in range(0, len(right), side):
            rows, columns = left[row : row + side], right[column : column + side]
            torch.mm(rows, columns.T, out=room[: len(rows) * len(columns)].view(len(rows), -1))


def faiss_both(source: np.ndarray, target: np.ndarray, k: int, most: int) -> None:
    import faiss

    for queries, corpus in ((source, target), (target, source)):
        index = faiss.IndexFlatIP(corpus.shape[1])
        index.add(corpus)
        index.search(queries[:most], k)


def numpy_both(source: np.ndarray, target: np.ndarray, k: int, most: int) -> None:
    for queries, corpus in ((source, target), (target, source)):
        for row in range(0, min(most, len(queries)), 1000):
            scores = queries[row : row + 1000] @ corpus.T
            best = np.argpartition(scores, -k, axis=1)[:, -k:]
            order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
            np.take_along_axis(best, order, axis=1)


def semantic_search(source: np.ndarray, target: np.ndarray, k: int, chunk: int | None) -> None:
    import torch
    from sentence_transformers import util

    options: dict[str, Any] = {} if chunk is None else {"query_chunk_size": chunk}
    util.semantic_search(torch.from_numpy(source[:QUERIES]), torch.from_numpy(target), top_k=k, **options)


def measured(work: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    """Return the seconds by the clock, those of all processors, the memory that was taken on top; and the result."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew
    before, clock, processors = memory("VmRSS"), time.perf_counter(), time.process_time()
    result = work()
    taken = {"seconds": time.perf_counter() - clock, "processor_seconds": time.process_time() - processors}
    return taken | {"extra_bytes": memory("VmHWM") - before}, result


def memory(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024


def race(n: int, dim: int, k: int, rounds: int, peers: bool) -> list[dict[str, Any]]:
    """Run all contestants `rounds` times, one after the other, and return a record for each.

    Args:
        n: Rows of either side.
        dim: Their width.
        k: Neighbors.
        rounds: How often.
        peers: Whether the peers run.
    """
    from mling_embed.neighbors.topk import top_k_both

    source, target = sides(n, dim)
    top_k_both(source[:3000], target[:3000], k)  # compiled before it is timed
    rows = min(n, BARE_ROWS)
    contestants: dict[str, tuple[Callable[[], Any], float]] = {
        BARE: (lambda: bare_product(source, target, rows), n / rows),
        OURS: (lambda: top_k_both(source, target, k), 1),
    }
    if peers:
        contestants[FAISS] = (lambda: faiss_both(source, target, k, QUERIES), max(n / QUERIES, 1))
        contestants[NUMPY] = (lambda: numpy_both(source, target, k, QUERIES), max(n / QUERIES, 1))
        for name, chunk in ST_CHUNKS.items():
            one_way: Callable[[], Any] = partial(semantic_search, source, target, k, chunk)
            contestants[f"semantic_search, chunk {name}"] = (one_way, 2 * max(n / QUERIES, 1))
    times: dict[str, list[dict[str, float]]] = {name: [] for name in contestants}
    found: Any = None
    for _ in range(rounds):
        for name, (work, _) in contestants.items():
            taken, result = measured(work)
            times[name].append(taken)
            found = result if name == OURS else found
            say(f"  {n:,} x {n:,} x {dim}, k = {k}: {name}: {taken['seconds']:.1f} s")
    equal = equality(found, source, target, k)
    return [
        record(name, (n, dim, k), taken, contestants[name][1], equal if name == OURS else None)
        for name, taken in times.items()
    ]


def record(
    name: str, sizes: tuple[int, int, int], times: list[dict[str, float]], scale: float, equal: float | None
) -> dict[str, Any]:
    """Return a contestant's record; who searched some queries alone is scaled up."""
    n, dim, k = sizes
    seconds = float(np.median([each["seconds"] for each in times])) * scale
    return {
        "task": f"{n} x {n} x {dim}, k {k}",
        "contestant": name,
        "n": n,
        "score": seconds,
        "low": min(each["seconds"] for each in times) * scale,
        "high": max(each["seconds"] for each in times) * scale,
        "processor_seconds": float(np.median([each["processor_seconds"] for each in times])) * scale,
        "scaled_by": scale,
        "gigaflops": 2e-9 * n * n * dim / seconds,
        "extra_mib": max(each["extra_bytes"] for each in times) / 2**20,
        "equal": equal,
    }


def equality(both: Any, source: np.ndarray, target: np.ndarray, k: int) -> float:
    """Return the share of sampled rows, of both directions, whose neighbors are those of a float64 product."""
    same = 0
    rows = np.random.default_rng(SEED).choice(len(source), min(SAMPLE // 2, len(source)), replace=False)
    for found, queries, corpus in zip(both, (source, target), (target, source), strict=True):
        wide = corpus.astype(np.float64)
        for start in range(0, len(rows), 250):
            part = rows[start : start + 250]
            scores = queries[part].astype(np.float64) @ wide.T
            best = np.argpartition(-scores, k, axis=1)[:, : k + 1] if k < len(corpus) else np.argsort(-scores, axis=1)
            order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")[:, :k]
            same += int((np.take_along_axis(best, order, axis=1) == found.indices[part]).all(axis=1).sum())
    return same / (2 * len(rows))


def limits() -> list[dict[str, str]]:
    """Say what each library runs on, as it says itself."""
    import faiss
    import numba
    import torch
    from threadpoolctl import threadpool_info

    found = [{"library": "torch", "runs_on": torch.backends.cpu.get_cpu_capability()}]
    found.append({"library": "numba", "runs_on": str(getattr(numba.config, "CPU_NAME", None) or "host")})
    found.append({"library": f"faiss {faiss.__version__}", "runs_on": faiss.SIMDConfig.get_level_name()})
    for each in threadpool_info():
        if each["user_api"] == "blas":
            runs_on = str(each.get("architecture", "unknown"))
            found.append({"library": f"{each['internal_api']}: {Path(each['filepath']).name}", "runs_on": runs_on})
    found.append({"library": "mkl of torch", "runs_on": mkl_instructions()})
    return found


def simd_flags() -> str:
    """Return the widest sets of instructions that the processor says it has."""
    wanted = ("avx2", "fma", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16")
    return " ".join(flag for flag in wanted if flag in processor_flags())


def mkl_instructions() -> str:
    """Return the line in which MKL says what it is built for and runs on."""
    program = "import torch; a = torch.ones(64, 64); torch.mm(a, a)"
    environment = {**os.environ, "MKL_VERBOSE": "1"}
    command = [sys.executable, "-c", program]
    printed = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    line = next((line for line in printed.splitlines() if line.startswith("MKL_VERBOSE oneMKL")), "unknown")
    return line.partition(" for ")[2] or line


def in_process(races: Sequence[Race], environment: dict[str, str]) -> Any:
    """Run races in a process of their own, behind the words of ``$MLING_EMBED_BENCH_ALONE`` if there are some."""
    alone = shlex.split(os.environ.get(ALONE_VARIABLE, ""))
    command = [*alone, sys.executable, __file__, "-", "--run", json.dumps(races)]
    environment = {**os.environ, **environment}
    printed = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(printed.splitlines()[-1])


def add_figures(result: Measurement, scores: list[dict[str, Any]], label: str) -> None:
    """Put the ratios of a race among the figures."""
    by_name = {score["contestant"]: score for score in scores}
    ours = by_name[OURS]
    n, k = ours["n"], ours["task"].rpartition(" ")[2]
    dim = ours["task"].split(" x ")[2].partition(",")[0]
    name = f"{label}{n // 1000}k_{dim}_k{k}"
    result.figures[f"{name}_share_of_product"] = by_name[BARE]["score"] / ours["score"]
    busy = by_name[BARE]["processor_seconds"] / ours["processor_seconds"]
    result.figures[f"{name}_share_of_product_processor"] = busy
    for peer, short in ((FAISS, "faiss"), (NUMPY, "numpy"), ("semantic_search, chunk default", "st_default")):
        if peer in by_name:
            result.figures[f"{name}_times_{short}"] = by_name[peer]["score"] / ours["score"]
            busy = by_name[peer]["processor_seconds"] / ours["processor_seconds"]
            result.figures[f"{name}_times_{short}_processor"] = busy
    chunks = [score["score"] for name, score in by_name.items() if name.startswith("semantic_search")]
    if chunks:
        result.figures[f"{name}_times_st_best"] = min(chunks) / ours["score"]
    result.figures[f"{name}_extra_mib"] = ours["extra_mib"]
    result.figures["equal"] = min(ours["equal"], result.figures.get("equal", 1.0))


def add_growth(result: Measurement) -> None:
    """Put among the figures to which power of the rows of a side our processor time grows, from the fewest on."""
    times = {score["n"]: score["processor_seconds"] for score in result.scores if score["contestant"] == OURS}
    fewest, most = min(times), max(times)
    if fewest < most:
        result.figures["growth_power"] = float(np.log(times[most] / times[fewest]) / np.log(most / fewest))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS[:-1])
    parser.add_argument("--name", default="topk_speed", help="of the condition")
    parser.add_argument("--run", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        print(json.dumps({"races": [race(*each) for each in options.run], "limits": limits()}))
        return
    result = Measurement(options.name, seeds=[SEED])
    for label, races, environment in plan(options.parts, options.rounds):
        with result.phase(label + ", ".join(f"{n} x {dim}, k {k}" for n, dim, k, *_ in races)):
            found = in_process(races, environment)
        for scores in found["races"]:
            result.scores += [{**score, "task": f"{label.replace('_', ' ')}{score['task']}"} for score in scores]
            add_figures(result, scores, label)
        result.facts[f"{label or 'native_'}instructions"] = found["limits"]
        result.facts["rounds"] = options.rounds
        result.facts["processor_flags"] = simd_flags()
        add_growth(result)
        result.write(options.out)


def plan(parts: Sequence[str], rounds: int) -> Iterator[tuple[str, list[Race], dict[str, str]]]:
    """Yield the races of each process, with a label and its environment."""
    if "races" in parts:
        for group in RACES:
            yield "", [(*each, rounds, True) for each in group], {}
    if "avx2" in parts:
        for group in RACES:
            yield "avx2_", [(*each, rounds, True) for each in group], AVX2
    if "growth" in parts:
        yield "", [(n, *LARGE[1:], rounds, False) for n in GROWTH], {}
    if "large" in parts:
        yield "", [(*LARGE, 1, True)], {}
    if "largest" in parts:
        yield "", [(*LARGEST, 1, False)], {}


if __name__ == "__main__":
    main()
