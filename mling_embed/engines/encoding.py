"""Encoding as a task: texts of a file through a model that a worker loads once, vectors under their own name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float32, Int
from numpy import ndarray

from mling_embed.encoders.contract import BatchDone, Encoder, PromptRole
from mling_embed.encoders.precision import Precision
from mling_embed.engines.array_store import ArrayStore, key_of_parts
from mling_embed.errors import DataError, UsageError
from mling_embed.files import atomic_writer

VECTORS = "vectors"
_FORMAT = "encoded 1"  # goes up when the same encoder and texts would give other vectors


@dataclass(frozen=True, slots=True)
class Model:
    """Say how a worker gets an encoder, and which one it must be.

    Attributes:
        name: A folder that all machines see, or a name of the hub.
        fingerprint: Of the encoder.
        precision: The number format of its products.
        threads: Processor threads; vectors are the same bytes only with as many.
        prompt: Text put before every sentence that has no role, where it is not the model's own.
    """

    name: str
    fingerprint: str
    precision: Precision
    threads: int
    prompt: str | None = None

    @classmethod
    def of(cls, given: Any, encoder: Encoder, *, prompt: str | None = None) -> Model:
        """Return the model of an encoder that was loaded from what a caller gave.

        Raises:
            UsageError: It was not loaded from a folder or a name.
        """
        import torch

        if not isinstance(given, str | Path):
            raise UsageError(
                f"a {type(given).__name__} cannot be sent to workers.",
                next_step="Save it, and give its folder: every worker loads it by itself.",
            )
        name = str(Path(given).resolve()) if Path(given).exists() else str(given)
        return cls(name, encoder.fingerprint, encoder.precision, torch.get_num_threads(), prompt)

    def load(self) -> Encoder:
        """Return the encoder, loaded once in a process.

        Raises:
            DataError: There is none here, or another one.
        """
        import torch

        if torch.get_num_threads() != self.threads:
            torch.set_num_threads(self.threads)
        return _loaded(self)


@lru_cache(maxsize=2)
def _loaded(model: Model) -> Encoder:
    from platform import node

    from mling_embed.encoders.loading import load

    if model.name.startswith("/") and not Path(model.name).exists():
        raise DataError(
            f"no such model on the machine {node()}.",
            where=model.name,
            next_step="Put it on a folder that all machines see, or copy it there.",
        )
    encoder = load(model.name, prompt=model.prompt, precision=model.precision)
    if encoder.fingerprint != model.fingerprint:
        raise DataError(
            f"the model on the machine {node()} is another one ({encoder.fingerprint[:12]}, "
            f"expected {model.fingerprint[:12]}).",
            where=model.name,
            next_step="Copy the same model to all machines.",
        )
    return encoder


def encoded_key(encoder: Encoder | Model, role: PromptRole | None, texts: Sequence[str]) -> str:
    """Return the name of the vectors that texts get when they are encoded together."""
    return key_of_parts(_FORMAT, encoder.fingerprint, str(encoder.precision), str(role or ""), *texts)


@dataclass(frozen=True, slots=True)
class EncodeTexts:
    """Encode a run of rows of a file of texts in one call.

    Attributes:
        model: Encodes them.
        role: What they are.
        texts: An Arrow file with a column ``text``.
        start: The first row.
        stop: The row after the last.
        store: The folder of vectors.
        key: Their name in it.
        is_unit: Whether they are brought to length one.
    """

    model: Model
    role: PromptRole | None
    texts: Path
    start: int
    stop: int
    store: Path
    key: str
    is_unit: bool = False

    @property
    def needs_model(self) -> bool:
        """Tell that it does."""
        return True

    @property
    def threads(self) -> int:
        """Return the model's threads."""
        return self.model.threads

    def is_done(self) -> bool:
        """Tell whether the vectors are there."""
        return self.key in ArrayStore(self.store)

    def run(self) -> None:
        """Encode.

        Raises:
            DataError: There is no such model or file here, or a vector is not finite.
        """
        encoder, texts = self.model.load(), read_texts(self.texts, self.start, self.stop)
        vectors = encoder.encode(texts, role=self.role)
        finite = np.isfinite(vectors).all(axis=1)
        if not finite.all():
            row = self.start + int(np.flatnonzero(~finite)[0])
            raise DataError(f"vector {row} is not finite.", where=self.texts, next_step="Look at the encoder.")
        if self.is_unit:
            from mling_embed.neighbors.vectors import unit_rows

            vectors = unit_rows(vectors)
        ArrayStore(self.store).put(self.key, {VECTORS: vectors})


def write_texts(folder: Path, texts: Sequence[str]) -> Path:
    """Write texts as a file that `EncodeTexts` reads, named by what it holds; nothing if it is there."""
    path = folder / f"{key_of_parts(*texts)[:32]}.arrow"
    if not path.is_file():
        table = pa.table({"text": pa.array(list(texts), pa.large_string())})
        with atomic_writer(path) as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=1024)
    return path


def read_texts(path: Path, start: int, stop: int) -> list[str]:
    """Return rows of a file of texts.

    Raises:
        DataError: There is no such file on this machine.
    """
    from platform import node

    try:
        with pa.memory_map(str(path)) as file:
            column = pa.ipc.open_file(file).read_all().column("text")
            return list(column.slice(start, stop - start).to_pylist())
    except FileNotFoundError:
        raise DataError(
            f"no such file on the machine {node()}.",
            where=path,
            next_step="Give a work folder that all machines see: --work FOLDER.",
        ) from None


def encoding_ahead(
    pieces: Sequence[Sequence[str]], encoder: Encoder, model: Model, *, role: PromptRole | None, folder: Path
) -> list[EncodeTexts]:
    """Return the tasks that encode texts, for a `StoredEncoder` to find.

    Args:
        pieces: The texts, those together that the encoder would be given at a time; they are written into the folder.
        encoder: The encoder that would encode them.
        model: How workers load it.
        role: What the texts are.
        folder: Where texts and vectors lie, seen by all.
    """
    pieces = [piece for piece in pieces if piece]
    if not pieces:
        return []
    path = write_texts(folder / "texts", [text for piece in pieces for text in piece])
    tasks, start = [], 0
    for piece in pieces:
        stop = start + len(piece)
        tasks.append(EncodeTexts(model, role, path, start, stop, folder / "vectors", encoded_key(encoder, role, piece)))
        start = stop
    return tasks


class StoredEncoder:
    """Encode as another encoder does, taking what was encoded before from a folder.

    Args:
        encoder: The encoder.
        folder: That of `encoding_ahead`; only texts that were encoded together are found.
    """

    def __init__(self, encoder: Encoder, folder: Path) -> None:
        self._encoder, self._store = encoder, ArrayStore(folder / "vectors")

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return self._encoder.dim

    @property
    def device(self) -> str:
        """Where the encoder computes."""
        return self._encoder.device

    @property
    def fingerprint(self) -> str:
        """That of the encoder."""
        return self._encoder.fingerprint

    @property
    def precision(self) -> Precision:
        """Number format of the products."""
        return self._encoder.precision

    @property
    def max_seq_length(self) -> int | None:
        """Tokens after which a text is cut off."""
        return self._encoder.max_seq_length

    @property
    def prompts(self) -> Mapping[PromptRole, str]:
        """Text that the model puts before queries and passages."""
        return self._encoder.prompts

    def token_counts(self, texts: Sequence[str], *, role: PromptRole | None = None) -> Int[ndarray, " n_texts"]:
        """Return the tokens of each text. Shape: (n_texts,)."""
        return self._encoder.token_counts(texts, role=role)

    def save(self, folder: Path, *, model_card: str = "") -> None:
        """Write the encoder's folder."""
        self._encoder.save(folder, model_card=model_card)

    def encode(
        self, texts: str | Sequence[str], *, role: PromptRole | None = None, done: BatchDone | None = None
    ) -> Float32[ndarray, "*n dim"]:
        """Encode texts, or take their vectors from the folder. Shape: (dim,) or (n_texts, dim)."""
        if not isinstance(texts, str):
            found = self._store.get(encoded_key(self._encoder, role, texts))
            if found is not None:
                if done is not None:
                    done(np.arange(len(texts)), found[VECTORS])
                return found[VECTORS]
        return self._encoder.encode(texts, role=role, done=done)
