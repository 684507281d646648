"""Kinds of FAISS index: which one fits, how it is built and tuned, and how it is asked."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

import faiss
import numpy as np
from jaxtyping import Bool, Float32
from numpy import ndarray

from mling_embed import files
from mling_embed.errors import DamagedFileError, UsageError
from mling_embed.indexing.published.exact import Nearest, rank_exactly

FLAT_LIMIT = 300_000  # rows up to which exact search is fast enough
RECALL_TARGET = 0.95
RECALL_K = 10
N_RECALL_QUERIES = 200
_LINKS, _CONSTRUCTION = 32, 120
_POINTS_PER_LIST = 39  # FAISS warns of fewer
_HEADROOM = 0.5  # of the free memory that an index may take
_BITS_OFF = 1 << 12
_GATHER_LIMIT = 20_000  # allowed rows that are copied together rather than picked out one by one


class Kind(StrEnum):
    """Name a kind of index: exact, a graph, lists of neighbors, or lists of compressed neighbors."""

    FLAT = "flat"
    HNSW = "hnsw"
    IVF_FLAT = "ivf-flat"
    IVF_PQ = "ivf-pq"


@dataclass(frozen=True, slots=True)
class Plan:
    """Say which kind is built and why.

    Attributes:
        kind: The kind.
        reason: Why this one, for people.
    """

    kind: Kind
    reason: str


@dataclass(frozen=True, slots=True)
class Built:
    """Hold an index and what was found when it was built.

    Attributes:
        index: The FAISS index; `None` for ``flat``, which is its vectors.
        parameters: What it is asked with.
        recall: Share of the ten nearest that it finds, over queries that are no rows; 1 for ``flat``.
        n_queries: How many queries that was measured on.
    """

    index: Any
    parameters: Mapping[str, int] = field(default_factory=dict)
    recall: float = 1.0
    n_queries: int = 0


def plan(asked: Kind | None, n_rows: int, dim: int, *, free_bytes: int | None = None) -> Plan:
    """Choose a kind by size and memory.

    Args:
        asked: The kind that the user wants; `None` for the one that fits.
        n_rows: Rows of the index.
        dim: Width of a vector.
        free_bytes: Free memory; asked of the system by default.
    """
    trained = asked in (Kind.IVF_FLAT, Kind.IVF_PQ)
    if asked is not None and (not trained or n_rows >= _POINTS_PER_LIST * _lists(n_rows)):
        return Plan(asked, "as asked")
    if asked is not None:
        return Plan(Kind.FLAT, f"{asked} was asked for; {n_rows:,} rows are too few to train it")
    if n_rows <= FLAT_LIMIT:
        return Plan(Kind.FLAT, f"{n_rows:,} rows are searched exactly in a moment (up to {FLAT_LIMIT:,})")
    free = _free_bytes() if free_bytes is None else free_bytes
    sizes = {Kind.HNSW: n_rows * (4 * dim + 8 * _LINKS + 16), Kind.IVF_FLAT: n_rows * (4 * dim + 8)}
    for kind, size in sizes.items():
        if size <= _HEADROOM * free:
            return Plan(kind, f"{n_rows:,} rows; {size / 1e9:.1f} GB fit into {free / 1e9:.1f} GB of free memory")
    smallest = min(sizes.values())
    return Plan(Kind.IVF_PQ, f"{n_rows:,} rows: {smallest / 1e9:.1f} GB do not fit into {free / 1e9:.1f} GB free")


def _free_bytes() -> int:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        found = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if line.endswith("kB")}
        return found["MemAvailable"]
    except (OSError, KeyError, ValueError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2 if hasattr(os, "sysconf") else 4 << 30


def _lists(n_rows: int) -> int:
    return max(1, 1 << round(math.log2(max(1, 4 * math.sqrt(n_rows) / 2))))


def flat_of(vectors: Float32[ndarray, "n dim"]) -> Any:
    """Return an exact index of vectors."""
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return index


def build(kind: Kind, vectors: Float32[ndarray, "n dim"], *, recall_target: float = RECALL_TARGET) -> Built:
    """Build an index of vectors, and raise its effort until it finds what exact search finds.

    Recall is measured on queries that are no rows: each the sum of a row and half of another. Real queries are found a
    little harder, so the effort is raised until recall less two standard errors is enough.

    Args:
        kind: Which.
        vectors: The rows. Shape: (n, dim).
        recall_target: Recall at ten that is enough.
    """
    if kind is Kind.FLAT:
        return Built(None)
    n, dim = vectors.shape
    if kind is Kind.HNSW:
        index: Any = faiss.IndexHNSWFlat(dim, _LINKS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = _CONSTRUCTION
        efforts = [16 << step for step in range(8)]
    else:
        code = "Flat" if kind is Kind.IVF_FLAT else f"PQ{_subspaces(dim)}x4fsr"
        index = faiss.index_factory(dim, f"IVF{_lists(n)},{code}", faiss.METRIC_INNER_PRODUCT)
        index.train(_sample(vectors, 64 * _lists(n)))
        efforts = [effort for effort in (1 << step for step in range(14)) if effort <= index.nlist]
    index.add(vectors)
    queries = recall_queries(vectors)
    exact = flat_of(vectors) if kind is Kind.IVF_PQ else None
    truth = _truth(queries, vectors, exact)
    name = "ef" if kind is Kind.HNSW else "nprobe"
    recall, parameters = 0.0, {name: efforts[-1]}
    for effort in efforts:
        parameters = {name: effort}
        nearest = asking(kind, index, parameters)
        found = rank_exactly(queries, vectors, nearest, RECALL_K, n_candidates=candidates(kind, RECALL_K), longest=None)
        shared = [len(set(row) & set(right)) for row, right in zip(found.positions, truth, strict=True)]
        shares = np.array(shared) / truth.shape[1]
        recall = float(shares.mean())
        if recall - 2 * float(shares.std()) / math.sqrt(len(shares)) >= recall_target:
            break
    return Built(index, parameters, recall, len(queries))


def recall_queries(vectors: Float32[ndarray, "n dim"], *, seed: int = 0) -> Float32[ndarray, "n_queries dim"]:
    """Draw queries that are no rows: sums of a row and half of another, scaled to the first one's norm."""
    drawn = np.random.default_rng(seed)
    first, second = drawn.integers(0, len(vectors), (2, min(N_RECALL_QUERIES, len(vectors))))
    mixed = vectors[first] + vectors[second] / 2
    norms = np.linalg.norm(mixed, axis=1, keepdims=True)
    wanted = np.linalg.norm(vectors[first], axis=1, keepdims=True)
    scaled: Float32[ndarray, "n_queries dim"] = (mixed * wanted / np.maximum(norms, 1e-12)).astype(np.float32)
    return scaled


def _truth(queries: ndarray, vectors: ndarray, flat: Any) -> ndarray:
    """Return the ten nearest by exact search."""
    k = min(RECALL_K, len(vectors))
    if flat is None:
        _, positions = faiss.knn(queries, np.ascontiguousarray(vectors), k, metric=faiss.METRIC_INNER_PRODUCT)
    else:
        _, positions = flat.search(queries, k)
    found: ndarray = positions
    return found


def _sample(vectors: ndarray, size: int) -> ndarray:
    if len(vectors) <= size:
        return vectors
    chosen = np.sort(np.random.default_rng(0).choice(len(vectors), size, replace=False))
    sampled: ndarray = vectors[chosen]
    return sampled


def _subspaces(dim: int) -> int:
    """Return the number of 4-bit codes of a vector: one for two dimensions, or nearly."""
    return max(count for count in range(1, max(1, dim // 2) + 1) if dim % count == 0)


def candidates(kind: Kind, k: int) -> int:
    """Return how many candidates are fetched for rescoring."""
    return max(10 * k, 100) if kind is Kind.IVF_PQ else k + 8


def asking(
    kind: Kind, index: Any, parameters: Mapping[str, int], *, allowed: Bool[ndarray, " n"] | None = None
) -> Nearest:
    """Return the search of an index, among all rows or the allowed ones."""
    selector = None
    if allowed is not None:
        selector = faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))

    def nearest(queries: Float32[ndarray, "n_queries dim"], n: int) -> tuple[ndarray, ndarray]:
        match kind:
            case Kind.FLAT:
                options = faiss.SearchParameters(sel=selector) if selector is not None else None
            case Kind.HNSW:
                options = faiss.SearchParametersHNSW(sel=selector, efSearch=max(n, parameters["ef"]))
            case _:
                options = faiss.SearchParametersIVF(sel=selector, nprobe=parameters["nprobe"])
        scores, positions = index.search(queries, n, params=options)
        return scores, positions

    return nearest


def gathered(vectors: Float32[ndarray, "n dim"], allowed: Bool[ndarray, " n"]) -> Nearest | None:
    """Return an exact search of the allowed rows alone, copied together, if they are few enough."""
    chosen = np.flatnonzero(allowed)
    if len(chosen) > max(_GATHER_LIMIT, len(vectors) // 20):
        return None
    part = vectors[chosen]

    def nearest(queries: Float32[ndarray, "n_queries dim"], n: int) -> tuple[ndarray, ndarray]:
        scores, found = faiss.knn(queries, part, min(n, len(part)), metric=faiss.METRIC_INNER_PRODUCT)
        return scores, chosen[found]

    return nearest


def write_index(index: Any, file: IO[bytes], on_write: Callable[[bytes], object], *, graph_only: bool = False) -> None:
    """Write a FAISS index through the file layer.

    Args:
        index: The index.
        file: An open file.
        on_write: Told of all bytes, in order.
        graph_only: Leave out the vectors of a graph, which are in a file of their own.
    """
    failures: list[BaseException] = []

    def take(part: Any) -> int:
        data = bytes(part)
        try:
            files.write(file, data)
        except BaseException as error:
            failures.append(error)  # FAISS would make another error of it, or none
            return 0
        on_write(data)
        return len(data)

    try:
        faiss.write_index(index, faiss.PyCallbackIOWriter(take), faiss.IO_FLAG_SKIP_STORAGE if graph_only else 0)
    finally:
        if failures:
            raise failures[0]


def read_index(path: Path) -> Any:
    """Open a FAISS index whose bytes were checked, memory-mapped where its kind can be.

    Raises:
        DamagedFileError: It is not an index.
        UsageError: It is not there.
    """
    if not path.exists():
        raise UsageError("no such file.", where=path)
    size = path.stat().st_size
    faiss.set_deserialization_vector_byte_limit(4 * size + _BITS_OFF)
    faiss.set_deserialization_loop_limit(size + _BITS_OFF)
    try:
        return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        raise DamagedFileError(f"FAISS cannot read it ({reason}).", where=path) from None


def vectors_of(flat: Any) -> Float32[ndarray, "n dim"]:
    """Return the vectors of an exact index, without copying them."""
    matrix: Float32[ndarray, "n dim"] = faiss.rev_swig_ptr(flat.get_xb(), flat.ntotal * flat.d).reshape(-1, flat.d)
    return matrix
