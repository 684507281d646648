"""Vectors as they are stored: an array or a memory map, read in blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int64
from numpy import ndarray
from torch import Tensor

from mling_embed.errors import UsageError

READ_BLOCK = 1024


@dataclass(frozen=True)
class Vectors:
    """Give the rows of a side in the form that is asked for.

    They are read block by block, so that a memory map may be larger than memory; an accelerator holds them whole.

    Attributes:
        stored: fp32 or fp16. Shape: (n, dim).
        resident: The same on an accelerator, if they are compared there.
    """

    stored: Float[ndarray, "n dim"]
    resident: Float[Tensor, "n dim"] | None = None

    @classmethod
    def both(cls, left: ndarray, right: ndarray, *, device: str = "cpu") -> tuple[Vectors, Vectors]:
        """Return both sides of a comparison.

        Raises:
            UsageError: The shapes do not go together, or a vector is not finite.
        """
        if left.ndim != 2 or right.ndim != 2 or left.shape[1] != right.shape[1]:
            raise UsageError(f"vectors of shapes {left.shape} and {right.shape} cannot be compared: expected (n, dim).")
        return cls._of("left", left, device), cls._of("right", right, device)

    @classmethod
    def _of(cls, name: str, array: ndarray, device: str) -> Vectors:
        stored = np.asarray(array)  # a memory map as a plain array that lies on it
        if stored.dtype not in (np.float16, np.float32):
            stored = stored.astype(np.float32)
        for start in range(0, len(stored), READ_BLOCK):
            finite = np.isfinite(stored[start : start + READ_BLOCK])
            if not finite.all():
                bad = start + int(np.flatnonzero(~finite.all(axis=1))[0])
                raise UsageError(f"row {bad} of the {name} side is not finite.", next_step="Look at the encoder.")
        return cls(stored, None if device == "cpu" else torch.tensor(stored, device=device))

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.stored)

    @property
    def dim(self) -> int:
        """The width of a row."""
        return int(self.stored.shape[1])

    @property
    def device(self) -> str:
        """The kind of device that the rows are compared on."""
        return "cpu" if self.resident is None else self.resident.device.type

    def block(self, start: int, stop: int) -> Float32[Tensor, "n dim"]:
        """Return rows in fp32, on their device."""
        if self.resident is not None:
            return self.resident[start:stop].float()
        rows = np.asarray(self.stored[start:stop], dtype=np.float32, order="C")
        # torch takes no array that it may not write to, such as a memory map.
        return torch.from_numpy(rows if rows.flags.writeable else rows.copy())

    def blocks(self) -> Iterator[Float32[Tensor, "n dim"]]:
        """Give all rows in fp32, in order."""
        for start in range(0, len(self), READ_BLOCK):
            yield self.block(start, start + READ_BLOCK)

    @property
    def whole(self) -> Float32[ndarray, "n dim"] | None:
        """All rows, if they are fp32 as they are stored, else `None`."""
        return self.stored if self.stored.dtype == np.float32 else None

    def take(self, rows: Int64[ndarray, " n_rows"]) -> Float32[ndarray, "n_rows dim"]:
        """Return rows by their indices, in fp32."""
        return np.asarray(self.stored[rows], dtype=np.float32)

    @cached_property
    def norms(self) -> Float64[Tensor, " n"]:
        """The norm of each row."""
        return norms_of(self.blocks(), len(self), self.device)


def norms_of(blocks: Iterable[Float[Tensor, "_ dim"]], n: int, device: str | torch.device) -> Float64[Tensor, " n"]:
    """Return the norm of each row of blocks that hold `n` rows together.

    They are written to one place: small results kept between the large temporary blocks would leave holes in memory
    that no block fits into again, as large as all of the vectors.
    """
    found, start = torch.empty(n, dtype=torch.float64, device=device), 0
    for block in blocks:
        torch.linalg.vector_norm(block, dim=1, dtype=torch.float64, out=found[start : start + len(block)])
        start += len(block)
    return found


def unit_rows(vectors: Float[ndarray, "n dim"]) -> Float32[ndarray, "n dim"]:
    """Return the rows scaled to norm 1, in fp32; a row of zeros stays as it is."""
    rows = np.asarray(vectors, dtype=np.float32)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: Float32[ndarray, "n dim"] = rows / np.where(norms > 0, norms, np.float32(1))
    return scaled
