"""The coarse pass: tiles of inner products in a fast number format, each with a bound of its error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

import torch
from jaxtyping import Float64
from torch import Tensor

from mling_embed.hardware import native_bf16
from mling_embed.neighbors.vectors import Vectors, norms_of

# Sums of squares and of products stay far from the ends of fp32's range between these.
LEAST_NORM, MOST_NORM = 1e-12, 1e15


class Precision(StrEnum):
    """Name the number format that the coarse pass multiplies in."""

    BF16 = "bf16"
    FP32 = "fp32"
    FP64 = "fp64"

    @property
    def dtype(self) -> torch.dtype:
        """That format as torch calls it."""
        return {"bf16": torch.bfloat16, "fp32": torch.float32, "fp64": torch.float64}[self.value]


@dataclass(frozen=True)
class CoarsePass:
    """Multiply blocks of two sides in one format.

    Attributes:
        left: Shape: (n_left, dim).
        right: Shape: (n_right, dim).
        precision: The format.
        left_radius: Bound of the difference of any coarse score of a left row from its exact score. Shape: (n_left,).
        right_radius: The same of each right row. Shape: (n_right,).
    """

    left: Vectors
    right: Vectors
    precision: Precision
    left_radius: Float64[Tensor, " n_left"]
    right_radius: Float64[Tensor, " n_right"]

    @classmethod
    def of(cls, left: Vectors, right: Vectors, precision: Precision | None = None) -> CoarsePass:
        """Prepare a pass in the fastest format of the device, or in the one that is named."""
        chosen = precision or fastest_precision(left, right)
        errors = rounding_errors(left, chosen), rounding_errors(right, chosen)
        return cls(left, right, chosen, *_radii(left, right, *errors, precision=chosen))

    def multiply(self, rows: Tensor, columns: Tensor, room: Tensor) -> Tensor:
        """Return the coarse scores of a block of rows and one of columns, in fp32 or fp64, under `full_precision`.

        Args:
            rows: Shape: (n_rows, dim).
            columns: Shape: (dim, n_columns).
            room: Memory for them, in the format of `scores_dtype`.
        """
        tile = room[: len(rows) * columns.shape[1]].view(len(rows), -1)
        if self.precision is not Precision.BF16:
            return torch.mm(rows, columns, out=tile)
        if rows.device.type == "cuda":
            return torch.mm(rows, columns, out_dtype=torch.float32)
        return tile.copy_(torch.mm(rows, columns))

    @property
    def scores_dtype(self) -> torch.dtype:
        """The type of the coarse scores."""
        return torch.float64 if self.precision is Precision.FP64 else torch.float32

    def rows(self, start: int, stop: int) -> Tensor:
        """Return left rows in the pass's format."""
        return self.left.block(start, stop).to(self.precision.dtype)

    def columns(self, start: int, stop: int) -> Tensor:
        """Return right rows in the pass's format, as columns."""
        return self.right.block(start, stop).to(self.precision.dtype).T


def fastest_precision(left: Vectors, right: Vectors) -> Precision:
    """Return bf16 where the device multiplies it in hardware, else fp32; fp64 for norms that leave their range."""
    norms = torch.cat([left.norms, right.norms])
    norms = norms[norms > 0]
    if len(norms) and not LEAST_NORM < float(norms.min()) <= float(norms.max()) < MOST_NORM:
        return Precision.FP64
    return Precision.BF16 if native_bf16(left.device) else Precision.FP32


def rounding_errors(side: Vectors, precision: Precision) -> Float64[Tensor, " n"]:
    """Return the norm of what each row loses in a format."""
    if precision is not Precision.BF16:
        return torch.zeros_like(side.norms)
    lost = (block - block.bfloat16().float() for block in side.blocks())  # exact: the two are within a factor of 2
    return norms_of(lost, len(side), side.device)


def _radii(
    left: Vectors,
    right: Vectors,
    left_errors: Float64[Tensor, " n_left"],
    right_errors: Float64[Tensor, " n_right"],
    *,
    precision: Precision,
) -> tuple[Float64[Tensor, " n_left"], Float64[Tensor, " n_right"]]:
    """Bound |x.y - c| for each row x and any y of the other side, and for each y and any x.

    With x' and y' the rounded rows, |x.y - x'.y'| <= |x - x'| |y'| + |x| |y - y'|; a sum of `dim` products in any order
    is off by at most gamma |x'| |y'|, gamma = dim u / (1 - dim u) (Higham 2002, equation 3.5), and bf16 output by u of
    the result. Doubled gamma covers units that cut off instead of rounding, and the rounding of the exact score itself.
    """
    sums = torch.float64 if precision is Precision.FP64 else torch.float32
    unit = 2 * left.dim * torch.finfo(sums).eps / 2
    slack = 2 * unit / (1 - unit)
    if precision is Precision.BF16:
        slack += torch.finfo(torch.bfloat16).eps / 2 * (1 + slack)
    tiny = 4 * left.dim * torch.finfo(sums).tiny

    def radius(norms: Tensor, errors: Tensor, others: Tensor, other_errors: Tensor) -> Tensor:
        if not len(others):
            return torch.zeros_like(norms)
        most = (others + other_errors).max()
        rounded = errors * most + norms * other_errors.max() + slack * (norms + errors) * most
        return rounded * (1 + 1e-9) + tiny * (1 + norms + most)

    return (
        radius(left.norms, left_errors, right.norms, right_errors),
        radius(right.norms, right_errors, left.norms, left_errors),
    )


@contextmanager
def full_precision() -> Iterator[None]:
    """Have torch multiply fp32 as fp32, whatever the caller allows: the bounds are of that."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
