"""Generations: immutable search structures over the rows as of one commit, bound to them by one manifest."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from jaxtyping import Float32
from numpy import ndarray

from mling_embed import files
from mling_embed.errors import DamagedFileError, MlingEmbedError
from mling_embed.indexing.published.columns import Columns
from mling_embed.indexing.published.faiss_kinds import Built, Kind, flat_of, read_index, vectors_of, write_index
from mling_embed.indexing.storage.locking import ReaderLock, make_reader_lock, retired, without_readers
from mling_embed.indexing.storage.rows import Entry

logger = logging.getLogger(__name__)

FORMAT = 1
CURRENT_FILE = "CURRENT"
MANIFEST_FILE = "MANIFEST.json"
VECTORS_FILE = "vectors.faiss"
INDEX_FILE = "index.faiss"
COLUMNS_FILE = "columns.arrow"
_PREFIX = "gen-"
_REBUILD = "Build it anew from the rows: mling-embed index rebuild INDEX."


@dataclass(frozen=True, slots=True)
class Manifest:
    """Hold what a generation is made of and what it must agree with.

    Attributes:
        number: Of the generation.
        index: The index's own name, so that a generation of another one is refused.
        epoch: The epoch of the rows that it was made from.
        commit: Their commit.
        last_row: The highest row number at that commit.
        rows: How many rows it holds.
        digest: The sum of their checksums.
        dim: Width of a vector.
        metric: ``cosine`` or ``dot``.
        longest: Norm of the longest vector.
        fingerprint: The model's.
        prompts: The model's prompts, by role.
        harmonized: Fingerprint of the offsets that were subtracted, if any.
        kind: Of the FAISS index.
        reason: Why this kind.
        parameters: What it is asked with.
        recall_at_10: Against exact search, on queries that are no rows.
        recall_queries: How many.
        files: Bytes and SHA-256 of each file.
        format: Goes up when generations look different.
    """

    number: int
    index: str
    epoch: int
    commit: int
    last_row: int
    rows: int
    digest: str
    dim: int
    metric: str
    longest: float
    fingerprint: str
    prompts: Mapping[str, str]
    harmonized: str | None
    kind: Kind
    reason: str
    parameters: Mapping[str, int]
    recall_at_10: float
    recall_queries: int
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    format: int = FORMAT


class Generation:
    """Open a generation for reading: memory-mapped, and checked by SHA-256 in the background.

    Args:
        folder: The generation.
        digest: The SHA-256 that its manifest must have.

    Raises:
        FileNotFoundError: It was removed, since a newer one is there.
        DamagedFileError: A file is missing or has another size, or the manifest is not what was published.
    """

    def __init__(self, folder: Path, digest: str) -> None:
        self.folder = folder
        self._lock = ReaderLock(folder)
        try:
            self.manifest = read_manifest(folder, digest)
            for name, facts in self.manifest.files.items():
                size = (folder / name).stat().st_size if (folder / name).exists() else -1
                if size != facts["bytes"]:
                    raise DamagedFileError(
                        f"{max(size, 0):,} bytes, expected {facts['bytes']:,}.",
                        where=folder / name,
                        next_step=_REBUILD,
                    )
        except BaseException:
            self._lock.close()
            raise
        self._fault: MlingEmbedError | None = None
        self._hashing = threading.Thread(target=self._hash, name="mling-embed-check", daemon=True)
        self._hashing.start()

    def _hash(self) -> None:
        try:
            for name, facts in self.manifest.files.items():
                if files.sha256_of(self.folder / name) != facts["sha256"]:
                    what = "its bytes are not those that were published."
                    self._fault = DamagedFileError(what, where=self.folder / name, next_step=_REBUILD)
                    return
        except OSError as error:
            what = f"cannot be read ({error.strerror})."
            self._fault = DamagedFileError(what, where=error.filename, next_step=_REBUILD)

    def require_whole(self) -> None:
        """Wait until all files have been hashed.

        Raises:
            DamagedFileError: One is not what was published.
        """
        self._hashing.join()
        if self._fault is not None:
            raise self._fault

    @cached_property
    def columns(self) -> Columns:
        """Row numbers, languages and metadata by position."""
        self.require_whole()
        return Columns.open(self.folder / COLUMNS_FILE)

    @cached_property
    def flat(self) -> Any:
        """The exact FAISS index of all vectors, memory-mapped."""
        self.require_whole()
        return read_index(self.folder / VECTORS_FILE)

    @cached_property
    def vectors(self) -> Float32[ndarray, "n dim"]:
        """All vectors, memory-mapped. Shape: (n, dim)."""
        return vectors_of(self.flat)

    @cached_property
    def index(self) -> Any:
        """The FAISS index that is asked."""
        if self.manifest.kind is Kind.FLAT:
            return self.flat
        self.require_whole()
        index = read_index(self.folder / INDEX_FILE)
        if self.manifest.kind is Kind.HNSW:
            index.storage, index.own_fields = self.flat, False
        return index


def read_manifest(folder: Path, digest: str) -> Manifest:
    """Read the manifest of a generation.

    Raises:
        FileNotFoundError: It is not there.
        DamagedFileError: It has another SHA-256 than `digest`.
    """
    data = (folder / MANIFEST_FILE).read_bytes()
    if sha256(data).hexdigest() != digest:
        what = "is not the manifest that was published."
        raise DamagedFileError(what, where=folder / MANIFEST_FILE, next_step=_REBUILD)
    values = json.loads(data)
    if values.get("format") != FORMAT:
        what = f"has format {values.get('format')}; this version reads {FORMAT}."
        raise DamagedFileError(what, where=folder / MANIFEST_FILE, next_step=_REBUILD)
    return Manifest(**{**values, "kind": Kind(values["kind"])})


def current(index: Path) -> tuple[Path, str] | None:
    """Return the folder of the published generation and the SHA-256 of its manifest; `None` before the first.

    Raises:
        DamagedFileError: The file that names it is not what was written.
    """
    try:
        text = (index / CURRENT_FILE).read_bytes().decode("ascii", "replace")
    except FileNotFoundError:
        return None
    name, _, digest = text.strip().partition(" ")
    if text != f"{name} {digest}\n" or len(digest) != 64 or not name.removeprefix(_PREFIX).isdigit():
        what = "does not name a generation."
        raise DamagedFileError(what, where=index / CURRENT_FILE, next_step=_REBUILD)
    return index / name, digest


def open_current(index: Path) -> Generation | None:
    """Open the published generation; `None` before the first.

    Raises:
        DamagedFileError: It is damaged, or not there.
    """
    found = current(index)
    while found is not None:
        try:
            return Generation(*found)
        except FileNotFoundError:
            again = current(index)
            if again == found:
                what = "is named as the current generation and is not there."
                raise DamagedFileError(what, where=found[0], next_step=_REBUILD) from None
            found = again  # a newer one was published meanwhile
    return None


def publish(
    index: Path,
    manifest: Manifest,
    *,
    vectors: Float32[ndarray, "n dim"],
    built: Built,
    numbers: Sequence[int],
    entries: Sequence[Entry],
) -> Manifest:
    """Write a generation and make it the current one; older ones go when nobody reads them.

    The folder gets its name when all its files are flushed, then ``CURRENT`` is replaced: a crash at any moment leaves
    the old generation or the new one.

    Args:
        index: The index's folder.
        manifest: What is known of it, less the files.
        vectors: Shape: (n, dim).
        built: The FAISS index over them.
        numbers: Their row numbers, rising.
        entries: What the rows hold.
    """
    clean(index)
    folder = index / f"{_PREFIX}{manifest.number:06d}"
    part = folder.with_name(f"{folder.name}.part-{os.getpid()}")
    files.remove_folder(part)
    part.mkdir()
    try:
        make_reader_lock(part)
        written = {VECTORS_FILE: _write_faiss(part / VECTORS_FILE, flat_of(vectors))}
        if built.index is not None:
            graph_only = manifest.kind is Kind.HNSW
            written[INDEX_FILE] = _write_faiss(part / INDEX_FILE, built.index, graph_only=graph_only)
        columns = Columns.of(numbers, entries).to_bytes()
        files.write_bytes(part / COLUMNS_FILE, columns)
        written[COLUMNS_FILE] = {"bytes": len(columns), "sha256": sha256(columns).hexdigest()}
        manifest = dataclasses.replace(manifest, files=written)
        data = (json.dumps(dataclasses.asdict(manifest), ensure_ascii=False, indent=2) + "\n").encode()
        files.write_bytes(part / MANIFEST_FILE, data)
        files.sync_folder(part)
        files.remove_folder(folder)  # of an attempt that got this far and no further
        files.rename(part, folder)
        files.sync_folder(index)
        files.write_bytes(index / CURRENT_FILE, f"{folder.name} {sha256(data).hexdigest()}\n".encode("ascii"))
    finally:
        files.remove_folder(part)
    clean(index)
    return manifest


def _write_faiss(path: Path, index: Any, *, graph_only: bool = False) -> dict[str, Any]:
    digest = hashlib.sha256()
    with files.atomic_writer(path) as file:
        write_index(index, file, digest.update, graph_only=graph_only)
        size = file.tell()
    return {"bytes": size, "sha256": digest.hexdigest()}


def next_number(index: Path) -> int:
    """Return a number that no generation has had."""
    numbers = [int(path.name[len(_PREFIX) :].partition(".")[0]) for path in index.glob(f"{_PREFIX}*") if path.is_dir()]
    try:
        found = current(index)
    except DamagedFileError:
        found = None
    if found is not None:
        numbers.append(int(found[0].name.removeprefix(_PREFIX)))
    return max(numbers, default=0) + 1


def clean(index: Path) -> None:
    """Remove what crashes left, and generations that are neither current nor read by anyone."""
    try:
        found = current(index)
    except DamagedFileError:
        found = None
    for folder in sorted(index.glob(f"{_PREFIX}*")):
        if found is not None and folder == found[0]:
            continue
        if ".part-" in folder.name:
            files.remove_folder(folder)
            continue
        with without_readers(folder) as free:
            gone = retired(folder) if free else None
        if gone is not None:
            files.remove_folder(gone)
