"""How near the vectors of an export come to those of its source."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Float32, Int
from numpy import ndarray

from mling_embed.metrics.sts import pair_cosines, spearman
from mling_embed.neighbors.vectors import unit_rows

_PAIRS = 20_000


@dataclass(frozen=True, slots=True)
class Parity:
    """Compare two encoders on the same texts.

    Attributes:
        n: Texts.
        mean_cosine: Of a text's two vectors.
        least_cosine: Of the text that differs most.
        spearman: Rank correlation of the two encoders' cosines of pairs of different texts.
        top1: Share of texts whose nearest other text is the same by both.
    """

    n: int
    mean_cosine: float
    least_cosine: float
    spearman: float
    top1: float

    @classmethod
    def of(cls, source: Float32[ndarray, "n dim"], export: Float32[ndarray, "n dim"], *, seed: int = 0) -> Parity:
        """Compare the vectors of at least three texts by two encoders. Shapes: (n, dim), (n, dim)."""
        one, other = unit_rows(source), unit_rows(export)
        cosines = pair_cosines(one, other)
        random = np.random.default_rng(seed)
        first = random.integers(0, len(one), _PAIRS)
        second = (first + random.integers(1, len(one), _PAIRS)) % len(one)
        return cls(
            n=len(one),
            mean_cosine=float(cosines.mean()),
            least_cosine=float(cosines.min()),
            spearman=spearman(*(pair_cosines(each[first], each[second]) for each in (one, other))),
            top1=float((_nearest(one) == _nearest(other)).mean()),
        )

    def figures(self) -> dict[str, float | int]:
        """Return the figures by name."""
        return asdict(self)


def _nearest(vectors: Float32[ndarray, "n dim"]) -> Int[ndarray, " n"]:
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    nearest: Int[ndarray, " n"] = cosines.argmax(axis=1)
    return nearest
