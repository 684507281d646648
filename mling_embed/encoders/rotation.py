"""Modules behind an encoder: the rotation after which every prefix of a vector is the best one, and projections.

All are `Dense` modules without bias or activation, put before the closing `Normalize` where there is one, so that plain
sentence-transformers saves and loads them. Behind the rotation, a prefix is what `truncate_dim` gives:

    SentenceTransformer(folder, truncate_dim=128)

A prefix is shorter than one; the cosine of prefixes does not mind, and `encode(..., normalize_embeddings=True)` mends
it for the dot product.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from numpy import ndarray

from mling_embed.errors import DataError, UsageError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense

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


def behind(model: SentenceTransformer, rotation: Rotation, *, dim: int | None = None) -> SentenceTransformer:
    """Return a model that gives rotated vectors; it shares its other modules with the one given.

    Args:
        model: The encoder whose vectors the rotation was fitted to.
        rotation: All of it leaves every cosine as it is.
        dim: Numbers of a vector to keep; all by default. A model that normalises does so after the cut.

    Raises:
        UsageError: The rotation is of another width than the model's vectors, or narrower than `dim`.
    """
    from sentence_transformers.sentence_transformer.modules import Normalize

    if model.get_embedding_dimension() != rotation.dim or model.truncate_dim is not None:
        cut = f", cut off at {model.truncate_dim}" if model.truncate_dim is not None else ""
        raise UsageError(
            f"the rotation is of {rotation.dim} dimensions; the model's vectors have {output_dim(model)}{cut}.",
            next_step="Fit it to vectors of this model, loaded without truncate_dim.",
        )
    if dim is not None and not 1 <= dim <= rotation.dim:
        raise UsageError(f"cannot keep {dim} of {rotation.dim} dimensions.")
    return with_head(model, _dense(rotation.matrix[:dim]), unit_norm=isinstance(model[-1], Normalize))


def projection(student_dim: int, teacher_dim: int, *, rotation: Rotation | None = None, seed: int = 0) -> Dense:
    """Return the map from a student's width to its teacher's, to be trained with the student and saved in it.

    Args:
        student_dim: Width of the student's vectors.
        teacher_dim: Width of the targets.
        rotation: Of the student's own vectors, where it starts from the teacher's body and the targets are that
            rotation's first dimensions: the map starts as the rotation.
        seed: Of the orthogonal map that it starts as otherwise, which keeps lengths and angles as far as it can.

    Raises:
        UsageError: The rotation is of another width than the student, or narrower than the targets.
    """
    if rotation is None:
        generator = torch.Generator().manual_seed(seed)
        return _dense(torch.nn.init.orthogonal_(torch.empty(teacher_dim, student_dim), generator=generator).numpy())
    if rotation.dim != student_dim or teacher_dim > rotation.dim:
        raise UsageError(f"a rotation of {rotation.dim} dimensions cannot map {student_dim} to {teacher_dim}.")
    return _dense(rotation.matrix[:teacher_dim])


def with_head(model: SentenceTransformer, *dense: Dense, unit_norm: bool) -> SentenceTransformer:
    """Return a model that ends with other modules; it shares those before them with the one given.

    Args:
        model: Its closing `Normalize` is taken off if there is one. Its prompts and similarity are kept.
        dense: Put behind what is left.
        unit_norm: Whether a `Normalize` comes last.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize

    modules = list(model)
    if isinstance(modules[-1], Normalize):
        modules.pop()
    return SentenceTransformer(
        modules=[*modules, *dense, *([Normalize()] if unit_norm else [])],
        device=str(model.device),
        prompts={name: prompt for name, prompt in model.prompts.items() if prompt is not None},
        default_prompt_name=model.default_prompt_name,
        similarity_fn_name=model.similarity_fn_name,
    )


def output_dim(model: SentenceTransformer) -> int:
    """Return the width of the vectors that a model's modules give, whatever its `truncate_dim`."""
    with model.truncate_embeddings(None):
        return int(model.get_embedding_dimension() or 0)


def _dense(weight: Float32[ndarray, "to source"]) -> Dense:
    from sentence_transformers.sentence_transformer.modules import Dense

    to, source = weight.shape
    return Dense(source, to, bias=False, activation_function=None, init_weight=torch.from_numpy(weight.copy()))
