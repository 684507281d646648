"""A side made ready: its sentences read, and its vectors taken from a model or from what came with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from mling_embed.corpora.lines import Decoding
from mling_embed.encoders.contract import Encoder
from mling_embed.engines.array_store import ArrayStore
from mling_embed.engines.encoding import Model
from mling_embed.engines.engine import Engine
from mling_embed.errors import UsageError
from mling_embed.mining.mined_pair import MinedPair
from mling_embed.mining.pair_filters import PairFilter, PairReason
from mling_embed.mining.sentences import RejectedSentence, SentenceFilter, Sentences, collect_sentences
from mling_embed.mining.shards import (
    SHARD_ROWS,
    ShardedVectors,
    encode_shards,
    encoding_tasks,
    open_vectors,
    shards_of_vectors,
)
from mling_embed.mining.sources import SentenceSource, sentence_source
from mling_embed.progress import Progress

EXACT_PAIRS = 10**12  # compared in an hour or two on two cores
Side = str | Path | Sequence[str] | SentenceSource
GivenVectors = str | Path | ndarray


class Search(StrEnum):
    """Name how neighbors are found: exactly, approximately by FAISS, or exactly as far as that is a matter of hours."""

    AUTO = "auto"
    EXACT = "exact"
    APPROXIMATE = "approximate"


@dataclass(frozen=True, slots=True, kw_only=True)
class MiningOptions:
    """Say how a mining is done, and what is left out of it.

    Attributes:
        work: A folder for vectors and tiles, named by content: a run that was stopped goes on, another run takes from
            it what is the same, and a file added to either side costs its own tiles alone. Memory by default.
        memory: The most bytes of the process while it searches and selects; no limit by default.
        sentences: Which sentences are left out.
        pairs: Which of the selected pairs are left out.
        decoding: What becomes of a line that is not UTF-8.
        shard_rows: Rows of a shard; pairs do not depend on it.
        engine: Who encodes and computes tiles, in a work folder that all see; this process as it needs them by default.
        search: Exact, approximate, or exact up to `exact_pairs`. Approximate neighbors are not kept in the work folder.
        exact_pairs: The most pairs of sentences that are compared one by one where nothing else is said.
        rejected_sentence: Told of each row that is left out.
        rejected_pair: Told of each selected pair that is left out.
    """

    work: Path | None = None
    memory: int | None = None
    sentences: SentenceFilter = field(default_factory=SentenceFilter)
    pairs: PairFilter = field(default_factory=PairFilter)
    decoding: Decoding = Decoding.QUARANTINE
    shard_rows: int = SHARD_ROWS
    engine: Engine | None = None
    search: Search = Search.AUTO
    exact_pairs: int = EXACT_PAIRS
    rejected_sentence: Callable[[RejectedSentence], None] | None = None
    rejected_pair: Callable[[MinedPair, PairReason], None] | None = None

    def __post_init__(self) -> None:
        if self.shard_rows < 1:
            raise UsageError(f"shard_rows is {self.shard_rows}, expected at least 1.")
        if self.engine is not None and self.work is None:
            raise UsageError("an engine, and no work folder that all see.", next_step="Give one.")
        if self.work is not None and self.work.exists() and not self.work.is_dir():
            raise UsageError(
                "is a file, expected a folder for the work.", where=self.work, next_step="Give another one."
            )

    def is_approximate(self, n_pairs: int) -> bool:
        """Tell whether so many pairs are searched approximately."""
        return (
            n_pairs > 0
            and self.search is not Search.EXACT
            and (self.search is Search.APPROXIMATE or n_pairs > self.exact_pairs)
        )

    def store(self, name: str) -> ArrayStore:
        """Return the store of a kind of arrays in the work folder, or one in memory."""
        return ArrayStore(None if self.work is None else self.work / name)


@dataclass(frozen=True, slots=True)
class VectorSource:
    """Give the vectors of sides: an encoder's, or those that came with each side.

    Attributes:
        encoder: Encodes every side; `None` where vectors came with them.
        named: What it was loaded from.
        given: A row for each line of each side.
        names: What to call each side's vectors.
    """

    encoder: Encoder | None
    named: Any = None
    given: tuple[Float[ndarray, "_ _"], ...] = ()
    names: tuple[str, ...] = ()

    @property
    def model(self) -> Encoder:
        """Return the encoder.

        Raises:
            UsageError: There is none, only vectors.
        """
        if self.encoder is None:
            raise UsageError("vectors, and no model to encode with.", next_step="Name the encoder.")
        return self.encoder

    def shards(self, place: int, side: Sentences, options: MiningOptions, progress: Progress) -> ShardedVectors:
        """Return the vectors of the side in a place, encoding what the work folder does not hold."""
        rows = options.shard_rows
        store = options.store("vectors")
        if self.encoder is None:
            shared = None if options.engine is None else store
            name, given = self.names[place], self.given[place]
            return shards_of_vectors(side, given, where=name, shard_rows=rows, store=shared)
        return encode_shards(side, self.encoder, store=store, shard_rows=rows, progress=progress)

    def encode_elsewhere(self, sides: Sequence[Sentences], options: MiningOptions, progress: Progress) -> None:
        """Have the engine encode what the work folder does not hold of sides; nothing without an engine.

        Raises:
            UsageError: The encoder cannot be sent to others.
            Interrupted: Others have a part of it.
        """
        if options.engine is None or options.work is None or self.encoder is None:
            return
        model, store = Model.of(self.named, self.encoder), options.work.resolve() / "vectors"
        tasks = [
            task
            for side in sides
            for task in encoding_tasks(side, self.encoder, model, store=store, shard_rows=options.shard_rows)
        ]
        options.engine.run(tasks, work="encoding", progress=progress)


def vector_source(model: Any, vectors: Sequence[GivenVectors] | None) -> VectorSource:
    """Return where the vectors come from: either a model, or vectors.

    Raises:
        UsageError: Both are given, or neither, or what is given are no matrices of floats of one width.
        DataError: A file of vectors is not one.
    """
    if (model is None) == (vectors is None):
        raise UsageError(
            "neither a model nor vectors." if model is None else "a model and vectors: give one of them.",
            next_step="Name the encoder (a folder, or a name of the hub), or give a vector for each line.",
        )
    if vectors is None:
        from mling_embed.encoders.loading import as_encoder

        return VectorSource(as_encoder(model), model)
    given, names = [], []
    for each in vectors:
        rows = open_vectors(each) if isinstance(each, str | Path) else np.asanyarray(each)
        if rows.ndim != 2 or rows.dtype.kind != "f":
            raise UsageError(f"vectors of {rows.dtype} and shape {rows.shape}: expected floats of shape (n, dim).")
        given.append(rows)
        names.append(str(each if isinstance(each, str | Path) else getattr(each, "filename", None) or "vectors"))
    widths = {rows.shape[1] for rows in given}
    if len(widths) != 1:
        raise UsageError(
            f"vectors of {' and '.join(map(str, sorted(widths)))} dimensions cannot be compared.",
            next_step="Encode both sides with the same model.",
        )
    return VectorSource(None, None, tuple(given), tuple(names))


def collect_side(side: Side, options: MiningOptions, progress: Progress) -> Sentences:
    """Read a side, its texts into the work folder if there is one."""
    return collect_sentences(
        sentence_source(side),
        folder=None if options.work is None else options.work.resolve() / "sentences",
        lists_too=options.engine is not None,
        keep=options.sentences,
        decoding=options.decoding,
        rejected=options.rejected_sentence,
        progress=progress,
    )
