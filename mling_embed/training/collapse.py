"""Whether a student's vectors stay apart, or have collapsed into one."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from mling_embed.errors import MlingEmbedError

COLLAPSED = 0.99  # mean cosine of different sentences


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
