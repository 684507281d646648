"""Margins of pairs that are known to belong together."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from mling_embed.errors import UsageError
from mling_embed.metrics.sts import pair_cosines
from mling_embed.neighbors.margins import DEFAULT_K, Margin, margin_scores, mean_similarity
from mling_embed.neighbors.topk import top_k_both
from mling_embed.neighbors.vectors import unit_rows


def mean_margin(
    source: Float[ndarray, "n_pairs dim"],
    target: Float[ndarray, "n_pairs dim"],
    *,
    k: int = DEFAULT_K,
    margin: Margin = Margin.RATIO,
) -> float:
    """Return the mean margin of each row of `source` with the same row of `target`; a ratio above 1 stands out.

    Args:
        source: Vectors of any norm. Shape: (n_pairs, dim).
        target: Vectors of any norm. Shape: (n_pairs, dim).
        k: Size of the neighborhoods, clamped to the number of pairs.
        margin: What is averaged.

    Raises:
        UsageError: The sides are empty or differ in length.
    """
    if len(source) != len(target) or not len(source):
        raise UsageError(f"{len(source)} sources against {len(target)} targets: expected as many, at least one.")
    forward, backward = top_k_both(unit_rows(source), unit_rows(target), min(k, len(source)))
    means = mean_similarity(forward), mean_similarity(backward)
    return float(np.mean(margin_scores(pair_cosines(source, target), *means, margin=margin)))
