"""An encoder of anything that has `encode`: a model of another library, a function's wrapper, a client of a server."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Float32, Int
from numpy import ndarray

from mling_embed.encoders.contract import BatchDone, PromptRole
from mling_embed.encoders.precision import Precision
from mling_embed.errors import UsageError

_TEXTS_AT_A_TIME = 1024
_PROBE = ("Where is the station?", "A man is playing a guitar.", "Der Bahnhof liegt hinter dem Markt.", "42")
_PROBE_DIGITS = 2  # the same model in another number format rounds alike, nearly always


class ForeignEncoder:
    """Give the encoder contract to an object that turns a list of texts into an array of vectors.

    What it is made of cannot be seen: its fingerprint is that of its vectors of a few texts, rounded, and it has no
    prompts and no limit of length that anyone could know.

    Args:
        model: Has ``encode(list_of_texts)``.

    Raises:
        UsageError: It has none.
    """

    precision = Precision.FP32
    max_seq_length: int | None = None
    device = "unknown"
    prompts: Mapping[PromptRole, str] = MappingProxyType(dict.fromkeys(PromptRole, ""))

    def __init__(self, model: Any) -> None:
        if not callable(getattr(model, "encode", None)):
            raise UsageError(
                f"a {type(model).__name__} is no encoder: it has no encode(texts).",
                next_step="Give a folder, a name of the hub, or an object whose encode(texts) returns an array.",
            )
        self.model = model

    @cached_property
    def dim(self) -> int:
        """Width of a vector."""
        return int(self.encode(_PROBE[:1]).shape[1])

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of its vectors of a few texts, rounded."""
        rounded = np.round(self.encode(_PROBE), _PROBE_DIGITS) + 0.0  # no negative zeros
        return hashlib.sha256(rounded.tobytes()).hexdigest()

    def encode(
        self, texts: str | Sequence[str], *, role: PromptRole | None = None, done: BatchDone | None = None
    ) -> Float32[ndarray, "*n dim"]:
        """Encode texts by the model's own `encode`.

        Raises:
            UsageError: It gives an array of another shape than one row a text.
        """
        if isinstance(texts, str):
            vector: Float32[ndarray, " dim"] = self.encode([texts], done=done)[0]
            return vector
        parts = []
        for start in range(0, len(texts), _TEXTS_AT_A_TIME):
            chunk = list(texts[start : start + _TEXTS_AT_A_TIME])
            rows = np.asarray(self.model.encode(chunk), dtype=np.float32)
            if rows.ndim != 2 or len(rows) != len(chunk):
                raise UsageError(f"the encoder gave an array of shape {rows.shape} for {len(chunk)} texts.")
            parts.append(rows)
            if done is not None:
                done(np.arange(start, start + len(chunk)), rows)
        return np.concatenate(parts) if parts else np.zeros((0, self.dim), dtype=np.float32)

    def token_counts(self, texts: Sequence[str], *, role: PromptRole | None = None) -> Int[ndarray, " n_texts"]:
        """Return zeros: its tokens are not known, and it has no limit of them. Shape: (n_texts,)."""
        return np.zeros(len(texts), dtype=np.int64)

    def save(self, folder: Path, *, model_card: str = "") -> None:
        """Refuse: only its own library can save it.

        Raises:
            UsageError: Always.
        """
        raise UsageError(f"a {type(self.model).__name__} cannot be saved here.", next_step="Save it by its own means.")
