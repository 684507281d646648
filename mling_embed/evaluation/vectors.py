"""The vectors of an evaluation: each distinct text is encoded once, whatever number of tasks asks for it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from mling_embed.encoders.contract import Encoder, PromptRole
from mling_embed.errors import UsageError
from mling_embed.evaluation.kept_vectors import KeptVectors
from mling_embed.progress import Progress, silent

ENCODE_CHUNK = 8192
Texts = tuple[PromptRole | None, Sequence[str]]
"""Texts and what they are to a search, which decides the model's prompt; `None` where neither side searches."""


class Encoded(NamedTuple):
    """Count an evaluation's encoding.

    Attributes:
        asked: Texts that the tasks asked for, counted as often as they did.
        distinct: Different ones among them.
        computed: Those that went through the encoder; the others were kept.
        seconds: Time of encoding.
    """

    asked: int
    distinct: int
    computed: int
    seconds: float


class Vectors:
    """Hold the vector of each distinct text of one encoder: encoded once in a role, looked up by text and role.

    Memory is 4 * n_distinct * dim bytes.

    Args:
        encoder: What encodes.
        texts: The texts, in any order and number.
        keep: Folder of vectors that are kept for other evaluations; `None` keeps none.
        work: What progress is called.
        progress: Told the texts encoded so far.

    Attributes:
        encoded: What had to be done.

    Raises:
        UsageError: The encoder gives vectors that are not finite.
    """

    def __init__(
        self,
        encoder: Encoder,
        texts: Iterable[Texts],
        *,
        keep: Path | None = None,
        work: str = "encoding",
        progress: Progress = silent,
    ) -> None:
        began, asked, computed = time.perf_counter(), 0, 0
        distinct: dict[PromptRole | None, dict[str, None]] = {}
        for role, part in texts:
            distinct.setdefault(role, {}).update(dict.fromkeys(part))
            asked += len(part)
        total = sum(map(len, distinct.values()))
        self._encoder = encoder
        self._places: dict[tuple[PromptRole | None, str], int] = {}
        parts: list[Float32[ndarray, "_ dim"]] = []
        for role, wanted in distinct.items():
            kept = None if keep is None else KeptVectors(encoder, role, keep)
            there = [] if kept is None else [text for text in wanted if text in kept]
            if kept is not None and there:
                self._add(role, there, kept.of(there), parts)
            for chunk, rows in _encoded(encoder, [text for text in wanted if (role, text) not in self._places], role):
                self._add(role, chunk, rows, parts)
                computed += len(chunk)
                if kept is not None:
                    kept.add(chunk, rows)
                progress(work, len(self._places), total)
        self._rows = np.concatenate(parts) if parts else np.empty((0, 0), dtype=np.float32)
        self.encoded = Encoded(asked, total, computed, time.perf_counter() - began)

    def _add(
        self,
        role: PromptRole | None,
        texts: Sequence[str],
        rows: Float32[ndarray, "n dim"],
        parts: list[Float32[ndarray, "_ dim"]],
    ) -> None:
        self._places.update({(role, text): place for place, text in enumerate(texts, len(self._places))})
        parts.append(rows)

    @property
    def dim(self) -> int:
        """The width of the vectors."""
        return int(self._rows.shape[1])

    def of(self, texts: Sequence[str], *, role: PromptRole | None = None) -> Float32[ndarray, "n dim"]:
        """Return the vectors of texts, in their order. Shape: (n, dim)."""
        rows: Float32[ndarray, "n dim"] = self._rows[[self._places[role, text] for text in texts]]
        return rows

    def n_tokens(self, texts: Sequence[str], *, role: PromptRole | None = None) -> int:
        """Return the tokens of texts, with prompts and special tokens; 0 where the encoder does not tell."""
        return int(self._encoder.token_counts(list(texts), role=role).sum())

    def __len__(self) -> int:
        return len(self._places)


def _encoded(
    encoder: Encoder, texts: list[str], role: PromptRole | None
) -> Iterator[tuple[list[str], Float32[ndarray, "n dim"]]]:
    """Yield the texts chunk by chunk with their vectors, having looked at these."""
    for start in range(0, len(texts), ENCODE_CHUNK):
        chunk = texts[start : start + ENCODE_CHUNK]
        rows = encoder.encode(chunk, role=role)
        if not np.isfinite(rows).all():
            bad = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
            raise UsageError(f"the encoder gave a vector that is not finite for {chunk[bad][:80]!r}.")
        yield chunk, rows
