"""The vectors of an evaluation: each distinct text is encoded once, whatever number of tasks asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from mling_embed.encoders.contract import Encoder, PromptRole
from mling_embed.errors import UsageError
from mling_embed.progress import Progress, silent

ENCODE_CHUNK = 8192
Texts = tuple[PromptRole | None, Sequence[str]]
"""Texts and what they are to a search, which decides the model's prompt; `None` where neither side searches."""


class Vectors:
    """Hold the vector of each distinct text of one encoder: encoded once in a role, looked up by text and role.

    Memory is 4 * n_distinct * dim bytes.

    Args:
        encoder: What encodes.
        texts: The texts, in any order and number.
        work: What progress is called.
        progress: Told the texts encoded so far.

    Raises:
        UsageError: The encoder gives vectors that are not finite.
    """

    def __init__(
        self, encoder: Encoder, texts: Iterable[Texts], *, work: str = "encoding", progress: Progress = silent
    ) -> None:
        distinct: dict[PromptRole | None, dict[str, None]] = {}
        for role, part in texts:
            distinct.setdefault(role, {}).update(dict.fromkeys(part))
        total = sum(map(len, distinct.values()))
        self._places: dict[tuple[PromptRole | None, str], int] = {}
        parts = []
        for role, wanted in distinct.items():
            for chunk, rows in _encoded(encoder, list(wanted), role):
                self._places.update({(role, text): place for place, text in enumerate(chunk, len(self._places))})
                parts.append(rows)
                progress(work, len(self._places), total)
        self._rows = np.concatenate(parts) if parts else np.empty((0, 0), dtype=np.float32)

    @property
    def dim(self) -> int:
        """The width of the vectors."""
        return int(self._rows.shape[1])

    def of(self, texts: Sequence[str], *, role: PromptRole | None = None) -> Float32[ndarray, "n dim"]:
        """Return the vectors of texts, in their order. Shape: (n, dim)."""
        rows: Float32[ndarray, "n dim"] = self._rows[[self._places[role, text] for text in texts]]
        return rows

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
