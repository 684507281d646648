"""Token vectors by least squares: the sum over a sentence's tokens shall be its target, less what all targets share.

What all targets have in common tells no sentence from another: with it in, every token's vector carries a part of it,
and words that few sentences hold are lost among those that all do. Solved by conjugate gradients (Hestenes & Stiefel
1952) on the normal equations, all dimensions at a time; nothing is drawn at random.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse
from jaxtyping import Float, Float32, Int
from numpy import ndarray

from mling_embed.progress import Progress, silent
from mling_embed.tokenizers.token_bags import TokenBags

_WORK = "least squares"
_SOLVED = 1e-8  # squared residual of a dimension from which on there is nothing to gain
_TINY = 1e-20


def least_squares_table(
    bags: TokenBags,
    target_rows: Int[ndarray, " n_sentences"],
    targets: Float[ndarray, "n_targets dim"],
    vocabulary_size: int,
    *,
    steps: int,
    penalty: float,
    progress: Progress = silent,
) -> Float32[ndarray, "vocabulary dim"]:
    """Return the token table whose sums are nearest to the centred directions of the targets.

    Args:
        bags: Token ids of every sentence.
        target_rows: Number of each sentence's target.
        targets: Of any length.
        vocabulary_size: Rows of the table; those of tokens that never occur are zero.
        steps: Of conjugate gradients, at most.
        penalty: On the squares of a token's vector, in sentences.
        progress: Told of steps done.
    """
    directions = targets.astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True).clip(min=1e-12)
    directions -= directions[np.unique(target_rows)].mean(axis=0)
    ones = np.ones(len(bags.ids), np.float32)
    held = scipy.sparse.csr_array((ones, bags.ids, bags.starts), shape=(len(bags), vocabulary_size))
    across = held.T.tocsr()
    table = np.zeros((vocabulary_size, targets.shape[1]), np.float32)
    residual = np.asarray(across @ directions[target_rows], np.float32)
    direction, square = residual.copy(), np.square(residual).sum(axis=0)
    for step in range(steps):
        if square.max() < _SOLVED:
            progress(_WORK, steps, steps)
            break
        pushed = across @ (held @ direction) + np.float32(penalty) * direction
        length = square / np.maximum((direction * pushed).sum(axis=0), _TINY)
        table += length * direction
        residual -= length * pushed
        before, square = square, np.square(residual).sum(axis=0)
        direction = residual + square / np.maximum(before, _TINY) * direction
        progress(_WORK, step + 1, steps)
    return table
