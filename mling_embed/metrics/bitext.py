"""Bitext accuracy: how often the nearest sentence of the other language is the translation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64
from numpy import ndarray

from mling_embed.errors import UsageError
from mling_embed.metrics.confidence import Interval, wilson_interval
from mling_embed.neighbors.topk import top_k_both
from mling_embed.neighbors.vectors import unit_rows


@dataclass(frozen=True, slots=True)
class DirectionScores:
    """Hold one direction's counts.

    Attributes:
        n: Pairs.
        hits: Pairs whose nearest neighbor is the sentence in the same row.
        missed: Rows whose nearest neighbor has another text than the sentence in the same row (duplicates are no
            errors), in rising order.
        f1: Weighted F1 over rows, as MTEB reports for bitext mining tasks.
    """

    n: int
    hits: int
    missed: tuple[int, ...]
    f1: float

    @property
    def safe_hits(self) -> int:
        """Return the pairs that are not missed."""
        return self.n - len(self.missed)

    @property
    def accuracy(self) -> float:
        """Return hits / n."""
        return self.hits / self.n

    @property
    def safe_accuracy(self) -> float:
        """Return safe_hits / n."""
        return self.safe_hits / self.n

    @property
    def interval(self) -> Interval:
        """Return Wilson's 95% interval of the accuracy."""
        return wilson_interval(self.hits, self.n)


@dataclass(frozen=True, slots=True)
class BitextScores:
    """Hold the scores of both directions: source to target (xx->en) and target to source (en->xx)."""

    forward: DirectionScores
    backward: DirectionScores


def bitext_scores(
    source: Float[ndarray, "n_pairs dim"],
    target: Float[ndarray, "n_pairs dim"],
    *,
    source_texts: Sequence[str],
    target_texts: Sequence[str],
) -> BitextScores:
    """Score 1-nearest-neighbor retrieval by cosine, in both directions from one pass.

    Args:
        source: Vectors, row i being the translation of row i of `target`; any norm. Shape: (n_pairs, dim).
        target: Vectors. Shape: (n_pairs, dim).
        source_texts: The source sentences. Length: n_pairs.
        target_texts: The target sentences. Length: n_pairs.

    Raises:
        UsageError: The sides are empty or differ in length.
    """
    sizes = {len(source), len(target), len(source_texts), len(target_texts)}
    if len(sizes) != 1 or not len(source):
        raise UsageError(
            f"{len(source)} and {len(target)} vectors of {len(source_texts)} and {len(target_texts)} texts: "
            "expected as many of each, at least one."
        )
    forward, backward = top_k_both(unit_rows(source), unit_rows(target), 1)
    return BitextScores(
        direction_scores(forward.indices[:, 0], target_texts), direction_scores(backward.indices[:, 0], source_texts)
    )


def direction_scores(retrieved: Int64[ndarray, " n_pairs"], candidate_texts: Sequence[str]) -> DirectionScores:
    """Score the row that each query retrieved; the right one is the query's own row.

    Args:
        retrieved: Row retrieved by each query. Shape: (n_pairs,).
        candidate_texts: The texts that were searched. Length: n_pairs.
    """
    rows = np.arange(len(retrieved))
    hits: Bool[ndarray, " n_pairs"] = retrieved == rows
    missed = tuple(
        row for row, found in enumerate(retrieved.tolist()) if candidate_texts[found] != candidate_texts[row]
    )
    return DirectionScores(len(rows), int(hits.sum()), missed, weighted_f1(retrieved))


def weighted_f1(retrieved: Int64[ndarray, " n_pairs"]) -> float:
    """Return the support-weighted F1 of the rows as classes, which MTEB reports for bitext mining.

    Each row is a class with one member; retrieved N times and rightly so, its F1 is 2 / (N + 1), else 0.
    """
    times = np.bincount(retrieved, minlength=len(retrieved))
    hits = retrieved == np.arange(len(retrieved))
    return float(np.mean(2 * hits / (times + 1)))
