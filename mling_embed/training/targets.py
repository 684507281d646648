"""Teacher targets: each distinct text goes through the teacher once, ever; the rows stay on disk as fp16."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b, sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Float16, Float32, Int, UInt64
from numpy import ndarray

from mling_embed.encoders.contract import Encoder
from mling_embed.encoders.fitness import examine
from mling_embed.engines.encoding import Model, StoredEncoder, encoding_ahead
from mling_embed.engines.engine import Engine
from mling_embed.errors import DataError, UsageError
from mling_embed.files import cache_root, remove_folder, sha256_of, write_bytes, write_json
from mling_embed.progress import Progress, silent

logger = logging.getLogger(__name__)

ROWS_PER_SHARD = 8192
_WORK = "teacher targets"
_MISSING = -1


@dataclass(frozen=True, slots=True)
class Targets:
    """The teacher's vectors of a list of texts, gathered from memory-mapped shards.

    Attributes:
        shards: fp16 rows of each shard. Shapes: (n_rows, dim).
        shard_of: Shard number of each text. Shape: (n_texts,).
        row_of: Row of each text in its shard. Shape: (n_texts,).
        dim: Width of a vector.
        computed: How many texts went through the teacher for this; the rest were there before.
    """

    shards: tuple[Float16[ndarray, "_ dim"], ...]
    shard_of: Int[ndarray, " n_texts"]
    row_of: Int[ndarray, " n_texts"]
    dim: int
    computed: int = 0

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self.row_of)

    def take(self, texts: Int[ndarray, " n"]) -> Float16[ndarray, "n dim"]:
        """Return the vectors of the texts with these numbers. Shape: (n, dim), fp16.

        Raises:
            UsageError: One has none (see `spread`).
        """
        out = np.empty((len(texts), self.dim), dtype=np.float16)
        shard_of = self.shard_of[texts]
        if (shard_of == _MISSING).any():
            raise UsageError(f"{(shard_of == _MISSING).sum():,} of the texts asked for have no vector here.")
        for shard in np.unique(shard_of):
            chosen = np.flatnonzero(shard_of == shard)
            out[chosen] = self.shards[shard][self.row_of[texts[chosen]]]
        return out

    def spread(self, texts: Int[ndarray, " n_here"], n_texts: int) -> Targets:
        """Return these as the vectors of some of many texts; the others have none.

        Args:
            texts: Number of each text of these among the many.
            n_texts: How many there are.
        """
        shard_of, row_of = (np.full(n_texts, _MISSING, dtype=np.int64) for _ in range(2))
        shard_of[texts], row_of[texts] = self.shard_of, self.row_of
        return Targets(self.shards, shard_of, row_of, self.dim, computed=self.computed)

    @classmethod
    def joined(cls, parts: Sequence[Targets]) -> Targets:
        """Return the vectors of several lists of texts as of one, in order.

        Raises:
            DataError: They differ in width.
        """
        if len({part.dim for part in parts}) > 1:
            raise DataError(f"targets of {', '.join(str(part.dim) for part in parts)} dimensions cannot be joined.")
        before = np.cumsum([0, *(len(part.shards) for part in parts)])
        shards = zip((part.shard_of for part in parts), before[:-1], strict=True)
        return cls(
            tuple(shard for part in parts for shard in part.shards),
            np.concatenate([np.where(shard == _MISSING, shard, shard + start) for shard, start in shards]),
            np.concatenate([part.row_of for part in parts]),
            parts[0].dim,
            computed=sum(part.computed for part in parts),
        )

    def matrix(self) -> Float16[ndarray, "n_texts dim"]:
        """Return all vectors in one array in memory. Shape: (n_texts, dim), fp16."""
        return self.take(np.arange(len(self)))


class TargetStore:
    """All vectors of one teacher under one folder, shared by every corpus and run.

    A shard is an Arrow file of keys (BLAKE2b of the text, 128 bits) and fp16 rows, named by the SHA-256 of its
    bytes, written whole or not at all. A shard that is not what its name says is set aside and computed again.

    Args:
        teacher: Whose vectors these are; the folder is named by its `label_key`.
        root: Where the folders of all teachers are; the cache by default.
    """

    def __init__(self, teacher: Encoder, *, root: Path | None = None) -> None:
        self.teacher = teacher
        self.folder = (root or cache_root() / "targets") / label_key(teacher)[:32]
        # Keys and rows of each shard, in one list so that a stop never leaves one without the other.
        self._shards: list[tuple[UInt64[ndarray, "_ 2"], Float16[ndarray, "_ dim"]]] = []
        if not (self.folder / "targets.json").exists():
            facts = {**asdict(examine(teacher)), "prompt": getattr(teacher, "prompt", "")}
            write_json(self.folder / "targets.json", {**facts, "fingerprint": teacher.fingerprint})
        for path in sorted(self.folder.glob("*.arrow")):
            self._open(path)

    def missing(self, texts: Sequence[str]) -> int:
        """Return how many different texts have no vector here yet."""
        keys = _keys_of(texts)
        shard_of, _ = self._find(keys)
        return len(np.unique(keys[shard_of == _MISSING], axis=0))

    def compute(
        self,
        texts: Sequence[str],
        *,
        work: str = _WORK,
        progress: Progress = silent,
        rows_per_shard: int = ROWS_PER_SHARD,
        elsewhere: tuple[Engine, Model] | None = None,
    ) -> Targets:
        """Return the targets of texts, encoding those that are not in the store.

        A shard is on disk as soon as its rows are encoded: a killed run loses one shard at most, and one that is
        stopped (Ctrl-C, SIGTERM) the batch in work, because the finished rows become a smaller shard.

        Args:
            texts: Any texts; equal ones share a row.
            work: What the work is called.
            progress: Told of texts done.
            rows_per_shard: Texts encoded and written at a time.
            elsewhere: Who encodes them, and how workers load the teacher; this process by default. The store's files
                are the same bytes either way.

        Raises:
            Interrupted: Others encode a part of the texts, and have not done it yet.
        """
        keys = _keys_of(texts)
        shard_of, row_of = self._find(keys)
        missing = np.flatnonzero(shard_of == _MISSING)
        _, first = np.unique(keys[missing], axis=0, return_index=True)
        missing = missing[np.sort(first)]
        done = len(texts) - len(missing)
        ahead = self.folder / "ahead"
        if elsewhere is not None:
            engine, model = elsewhere
            wanted = [[texts[row] for row in rows] for rows in _pieces(missing, rows_per_shard)]
            tasks = encoding_ahead(wanted, self.teacher, model, role=None, folder=ahead.resolve())
            engine.run(tasks, work=work, progress=progress, last=True)
        teacher = StoredEncoder(self.teacher, ahead) if ahead.is_dir() else self.teacher
        for rows in _pieces(missing, rows_per_shard):
            progress(work, done, len(texts))
            self._encode_shard(teacher, keys[rows], [texts[row] for row in rows])
            done += len(rows)
        remove_folder(ahead)
        progress(work, len(texts), len(texts))
        if len(missing):
            shard_of, row_of = self._find(keys)
        shards = tuple(rows for _, rows in self._shards)
        dim = shards[0].shape[1] if shards else 0
        return Targets(shards, shard_of, row_of, dim, computed=len(missing))

    def _find(self, keys: UInt64[ndarray, "n 2"]) -> tuple[Int[ndarray, " n"], Int[ndarray, " n"]]:
        shard_of = np.full(len(keys), _MISSING, dtype=np.int64)
        row_of = np.full(len(keys), _MISSING, dtype=np.int64)
        if not self._shards:
            return shard_of, row_of
        known = np.concatenate([shard_keys for shard_keys, _ in self._shards])
        sizes = [len(rows) for _, rows in self._shards]
        shard_numbers = np.repeat(np.arange(len(sizes)), sizes)
        row_numbers = np.concatenate([np.arange(size) for size in sizes])
        order = np.argsort(known[:, 0], kind="stable")
        at = np.minimum(np.searchsorted(known[order, 0], keys[:, 0]), len(known) - 1)
        found = (known[order[at]] == keys).all(axis=1)
        shard_of[found] = shard_numbers[order[at[found]]]
        row_of[found] = row_numbers[order[at[found]]]
        return shard_of, row_of

    def _encode_shard(self, teacher: Encoder, keys: UInt64[ndarray, "n 2"], texts: list[str]) -> None:
        """Encode and write one shard; stopped in between, write the rows that are done."""
        rows: list[Int[ndarray, " _"]] = []
        parts: list[Float32[ndarray, "_ dim"]] = []

        def keep(batch: Int[ndarray, " _"], vectors: Float32[ndarray, "_ dim"]) -> None:
            parts.append(vectors)
            rows.append(batch)

        try:
            vectors = teacher.encode(texts, done=keep)
        except KeyboardInterrupt:
            if rows:
                finished = np.concatenate(rows)
                self._add(keys[finished], np.concatenate(parts[: len(rows)]))
                logger.info("stopped: kept %d of the %d rows in work", len(finished), len(texts))
            raise
        self._add(keys, vectors)

    def _add(self, keys: UInt64[ndarray, "n 2"], vectors: Float32[ndarray, "n dim"]) -> None:
        dim = vectors.shape[1]
        table = pa.table(
            {
                "key": pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(keys), [None, pa.py_buffer(keys)]),
                "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.astype(np.float16).ravel()), dim),
            }
        )
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        data = sink.getvalue().to_pybytes()
        path = self.folder / f"{sha256(data).hexdigest()}.arrow"
        write_bytes(path, data)
        self._open(path)

    def _open(self, path: Path) -> None:
        if sha256_of(path) != path.stem:
            logger.warning("%s is damaged; set aside, its rows are computed again", path)
            path.replace(path.with_suffix(".damaged"))
            return
        batch = pa.ipc.open_file(pa.memory_map(str(path))).get_batch(0)
        vectors = batch.column("vector")
        dim = vectors.type.list_size
        rows = vectors.flatten().to_numpy(zero_copy_only=True).reshape(-1, dim)
        keys = np.frombuffer(batch.column("key").buffers()[1], dtype=np.uint64, count=2 * len(vectors))
        self._shards.append((keys.reshape(-1, 2), rows))


def label_key(teacher: Encoder) -> str:
    """Name what a teacher's vectors are, to the last digit: its fingerprint and the number format of its products."""
    return sha256(f"{teacher.fingerprint} {teacher.precision}".encode()).hexdigest()


def _keys_of(texts: Sequence[str]) -> UInt64[ndarray, "n_texts 2"]:
    digests = b"".join(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest() for text in texts)
    return np.frombuffer(digests, dtype=np.uint64).reshape(-1, 2)


def _pieces(rows: Int[ndarray, " n"], size: int) -> Iterator[Int[ndarray, " _"]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
