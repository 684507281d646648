"""The modules behind an encoder: a projection into the teacher's width, and the closing normalisation.

All are `Dense` modules without activation, put before the closing `Normalize` where there is one, so that plain
sentence-transformers saves and loads them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float32
from numpy import ndarray

from mling_embed.encoders.pca import Rotation
from mling_embed.errors import UsageError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense


def fit_head(
    student: SentenceTransformer, *, dim: int, unit_norm: bool, rotation: Rotation | None = None, seed: int = 0
) -> SentenceTransformer:
    """Return the student with the head that its targets ask for; it shares its body with the one given.

    Its closing `Normalize` is there if, and only if, the targets have length one: without it a student of short
    targets collapses, and with it no other target can be met. Where widths differ, a projection comes before it.

    Args:
        student: An encoder; its `truncate_dim` is dropped.
        dim: Width of the targets.
        unit_norm: Whether the targets have length one.
        rotation: What the targets were rotated by, where the student starts from the teacher's body: there is a
            projection then in any case, and it starts as the rotation.
        seed: Of a projection that starts without one.

    Raises:
        UsageError: The rotation is of another width than the student, or narrower than `dim`.
    """
    width = output_dim(student)
    if width == dim and rotation is None:
        modules = []
    elif student.truncate_dim == dim and rotation is None:  # the teacher's own body, cut off as the teacher is
        modules = [dense(np.eye(dim, width, dtype=np.float32))]
    else:
        modules = [projection(width, dim, rotation=rotation, seed=seed)]
    fitted = with_head(student, *modules, unit_norm=unit_norm)
    fitted.similarity_fn_name = "cosine"
    return fitted


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

    width = int(model.get_embedding_dimension() or 0)
    if width != rotation.dim:
        raise UsageError(
            f"the rotation is of {rotation.dim} dimensions; the model's vectors have {width}.",
            next_step="Fit it to vectors of this model.",
        )
    if dim is not None and not 1 <= dim <= rotation.dim:
        raise UsageError(f"cannot keep {dim} of {rotation.dim} dimensions.")
    # What the model cuts off, the map passes over.
    matrix = np.pad(rotation.matrix[:dim], ((0, 0), (0, output_dim(model) - width)))
    return with_head(model, dense(matrix), unit_norm=isinstance(model[-1], Normalize))


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
        return dense(torch.nn.init.orthogonal_(torch.empty(teacher_dim, student_dim), generator=generator).numpy())
    if rotation.dim != student_dim or teacher_dim > rotation.dim:
        raise UsageError(f"a rotation of {rotation.dim} dimensions cannot map {student_dim} to {teacher_dim}.")
    return dense(rotation.matrix[:teacher_dim])


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


def dense(weight: Float32[ndarray, "to source"], bias: Float32[ndarray, " to"] | None = None) -> Dense:
    """Return a linear map as a module, with a bias or without. Shapes: (to, source), (to,)."""
    from sentence_transformers.sentence_transformer.modules import Dense

    to, source = weight.shape
    return Dense(
        source,
        to,
        bias=bias is not None,
        activation_function=None,
        init_weight=torch.from_numpy(weight.copy()),
        init_bias=None if bias is None else torch.from_numpy(bias.copy()),
    )
