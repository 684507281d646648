"""Batches of texts of nearly equal length: little padding, a limit of tokens."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy import ndarray


def token_batches(lengths: ndarray, tokens_per_batch: int) -> Iterator[ndarray]:
    """Cut rows into batches of at most `tokens_per_batch` padded tokens, longest rows first.

    Args:
        lengths: Tokens per row. Shape: (n_rows,).
        tokens_per_batch: Limit of rows times longest row; a single row may exceed it.

    Yields:
        Row numbers of one batch.
    """
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, tokens_per_batch // max(1, int(lengths[order[start]])))
        yield order[start : start + size]
        start += size
