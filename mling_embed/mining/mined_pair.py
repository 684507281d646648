"""A mined pair: two sentences that were found to mean the same, and all that is known of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Direction(StrEnum):
    """Name in whose list of neighbors a pair stands: the source's, the target's, or those of both."""

    FORWARD = "forward"
    BACKWARD = "backward"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class MinedPair:
    """Hold two sentences that were found to mean the same.

    Attributes:
        score: Their margin (their cosine with the margin ``absolute``).
        source: The source sentence.
        target: The target sentence.
        source_ids: The ids of every coming of the source sentence.
        target_ids: The ids of every coming of the target sentence.
        cosine: The cosine of their vectors.
        rank: Place among the pairs, from 1.
        forward_rank: Place of the target among the source's nearest, from 1; `None` where it is not one of them.
        backward_rank: Place of the source among the target's nearest, from 1; `None` where it is not one of them.
    """

    score: float
    source: str
    target: str
    source_ids: tuple[str, ...]
    target_ids: tuple[str, ...]
    cosine: float
    rank: int
    forward_rank: int | None
    backward_rank: int | None

    @property
    def direction(self) -> Direction:
        """Return in whose list of nearest sentences the pair stands."""
        if self.backward_rank is None:
            return Direction.FORWARD
        return Direction.BACKWARD if self.forward_rank is None else Direction.BOTH
