"""Principal axes of vectors: the rotation after which every prefix of a vector is the best one of its length.

Behind the rotation (`mling_embed.encoders.heads.behind`) a prefix is what `truncate_dim` gives:

    SentenceTransformer(folder, truncate_dim=128)

A prefix is shorter than one; the cosine of prefixes does not mind, and `encode(..., normalize_embeddings=True)` mends
it for the dot product.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Float64
from numpy import ndarray

from mling_embed.errors import DataError

_ROWS_AT_A_TIME = 65536


@dataclass(frozen=True, slots=True)
class Rotation:
    """An orthogonal map after which the first k numbers of a vector are its best approximation by k numbers.

    Best in the sense of Eckart & Young: no other projection to k dimensions leaves a smaller sum of squared errors
    over the vectors that it was fitted to. Nothing is centred: dot products, and with them cosines, stay as they are.

    Attributes:
        matrix: The principal axes as rows, the most important one first. Shape: (dim, dim).
        explained: Share of the vectors' squared length along each axis. Shape: (dim,).
    """

    matrix: Float32[ndarray, "dim dim"]
    explained: Float64[ndarray, " dim"]

    @classmethod
    def fit(cls, vectors: Float[ndarray, "n dim"]) -> Rotation:
        """Find the principal axes of vectors, in double precision, block by block.

        An axis points where its largest number is positive.

        Args:
            vectors: For instance a teacher's targets; a memory map will do. Shape: (n, dim).

        Raises:
            DataError: The vectors are all zero, or not finite.
        """
        moment = np.zeros((vectors.shape[1], vectors.shape[1]))
        for start in range(0, len(vectors), _ROWS_AT_A_TIME):
            block = vectors[start : start + _ROWS_AT_A_TIME].astype(np.float64)
            with np.errstate(invalid="ignore"):  # said below
                moment += block.T @ block
        if not 0 < np.trace(moment) < np.inf:
            raise DataError("the vectors are all zero, or not finite; they have no principal axes.")
        lengths, axes = np.linalg.eigh(moment)
        lengths, axes = lengths[::-1].clip(min=0), axes.T[::-1]
        largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
        return cls((axes * np.sign(largest)).astype(np.float32), lengths / lengths.sum())

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return len(self.matrix)

    def kept(self, dim: int) -> float:
        """Return the share of the squared length that the first `dim` numbers of a rotated vector keep."""
        return float(self.explained[:dim].sum())

    def apply(self, vectors: Float[ndarray, "n dim"], *, dim: int | None = None) -> Float32[ndarray, "n kept"]:
        """Rotate vectors, and keep the first `dim` numbers of each. Shape: (n, dim)."""
        rotated: Float32[ndarray, "n kept"] = vectors.astype(np.float32) @ self.matrix[:dim].T
        return rotated
