"""Does a student's head fit its teacher's vectors, in width and length, and do its own vectors stay apart?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from mling_embed.encoders.rotation import Rotation, output_dim, projection, with_head
from mling_embed.errors import MlingEmbedError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

COLLAPSED = 0.99  # mean cosine of different sentences


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
    fits = width == dim and rotation is None
    dense = [] if fits else [projection(width, dim, rotation=rotation, seed=seed)]
    fitted = with_head(student, *dense, unit_norm=unit_norm)
    fitted.similarity_fn_name = "cosine"
    return fitted


def require_spread(vectors: Float[ndarray, "n dim"], targets: Float[ndarray, "n dim"]) -> None:
    """Refuse a student that gives nearly the same vector for every sentence.

    Not for a student that was not yet trained: many pretrained encoders begin close to this.

    Args:
        vectors: The student's vectors of different sentences, of any length.
        targets: The teacher's, which may be close to each other themselves.

    Raises:
        MlingEmbedError: They are not finite, or the mean of their pairwise cosines is above 0.99 and the targets'.
    """
    found, limit = mean_cosine(vectors), max(COLLAPSED, mean_cosine(targets))
    if not found <= limit:
        raise MlingEmbedError(
            f"the student has collapsed: the mean cosine of {len(vectors)} different sentences is {found:.4f}, "
            f"expected at most {limit:.4g}.",
            next_step="Lower the learning rate, warm up for longer, or add a contrastive term.",
        )


def mean_cosine(vectors: Float[ndarray, "n dim"]) -> float:
    """Return the mean cosine of all pairs of different rows: 0 if there is no pair, NaN if one is not finite.

    Zero vectors count as the same direction, unlike any other.
    """
    n = len(vectors)
    if n < 2:
        return 0.0
    exact = np.column_stack([vectors, ~vectors.any(axis=1)]).astype(np.float64)
    with np.errstate(invalid="ignore"):  # said by the result
        directions = exact / np.linalg.norm(exact, axis=1, keepdims=True)
    return float((np.square(directions.sum(axis=0)).sum() - n) / (n * (n - 1)))
