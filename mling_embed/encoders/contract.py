"""The encoder contract: what every encoder of the package gives, whatever it is made of.

"Teacher" and "student" are roles that an encoder has in a distillation; neither is a class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Protocol, runtime_checkable

from jaxtyping import Float32, Int
from numpy import ndarray

from mling_embed.encoders.precision import Precision

BatchDone = Callable[[Int[ndarray, " _"], Float32[ndarray, "_ dim"]], None]
"""Told the row numbers of a batch and their vectors, as soon as they are there."""


class PromptRole(StrEnum):
    """What a text is to a search, and so which of a model's prompts is put before it."""

    QUERY = "query"
    PASSAGE = "passage"


@runtime_checkable
class Encoder(Protocol):
    """Turn texts into vectors.

    `mling_embed.encoders.loading.load` gives one of a folder or a name, `as_encoder` one of anything that has `encode`.
    """

    @property
    def dim(self) -> int:
        """Width of a vector, after the model's own truncation."""

    @property
    def device(self) -> str:
        """Where it computes: ``cpu``, ``cuda:0``."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 over all that a vector depends on besides its text, but for the number format of the products.

        Two encoders of one fingerprint share an index, whatever processor each runs on.
        """

    @property
    def precision(self) -> Precision:
        """Number format of the products: part of the key of vectors that are kept, and of nothing else."""

    @property
    def max_seq_length(self) -> int | None:
        """Tokens after which a text is cut off; `None` if it never is."""

    @property
    def prompts(self) -> Mapping[PromptRole, str]:
        """Text that the model puts before queries and before passages; empty where it has none."""

    def encode(
        self, texts: str | Sequence[str], *, role: PromptRole | None = None, done: BatchDone | None = None
    ) -> Float32[ndarray, "*n dim"]:
        """Encode texts.

        Args:
            texts: One text gives one vector, a sequence a matrix.
            role: What the texts are; the model's own default prompt by default.
            done: Told of each batch.

        Returns:
            float32, of length one only if the model normalises. Shape: (dim,) or (n_texts, dim).
        """

    def token_counts(self, texts: Sequence[str], *, role: PromptRole | None = None) -> Int[ndarray, " n_texts"]:
        """Return the tokens of each text with prompt and special tokens, before it is cut off. Shape: (n_texts,)."""

    def save(self, folder: Path, *, model_card: str = "") -> None:
        """Write a folder that plain sentence-transformers loads; it appears when it is whole.

        Args:
            folder: Where; an earlier model there is replaced.
            model_card: Text of its README.md.
        """
