"""What every runtime's graph is, and what it says when it cannot be run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from jaxtyping import Float32, Int
from numpy import ndarray

from mling_embed.errors import DamagedFileError, UsageError

OUTPUT = "sentence_embedding"
TOKEN_OUTPUT = "last_hidden_state"  # what sentence-transformers' own backends read
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


@runtime_checkable
class Graph(Protocol):
    """Turn tokenized texts into vectors; any number of threads may call it at the same time."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of what it takes."""

    def __call__(self, features: Mapping[str, Int[ndarray, "batch length"]]) -> Float32[ndarray, "batch dim"]:
        """Return the vectors of a batch of tokenized texts. Shapes: (batch, length) -> (batch, dim)."""


def missing_runtime(name: str, *, extra: str) -> UsageError:
    """Return the error of a runtime that is not installed."""
    return UsageError(f"{name} is not installed.", next_step=f"pip install 'mling-embed[{extra}]'")


def cannot_open(path: Path, error: Exception) -> DamagedFileError:
    """Return the error of a graph that its runtime cannot read."""
    reason = str(error).strip().partition("\n")[0]
    return DamagedFileError(f"cannot be run: {reason}", where=path, next_step="Copy or export the model again.")
