"""Links: runs of sentences of one document that are translations of runs of the other, and what is left over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Link:
    """Hold a run of source sentences and the run of target sentences that translates it.

    Attributes:
        source: The source sentences by number, rising; empty for target sentences without a translation.
        target: The target sentences by number.
        score: How well they fit: 1 for equal vectors, about 0 for any two sentences of the documents; 0 where a side is
            empty.
    """

    source: tuple[int, ...]
    target: tuple[int, ...]
    score: float = 0.0

    @property
    def is_translated(self) -> bool:
        """Tell whether there are sentences on both sides."""
        return bool(self.source and self.target)


def aligned_share(links: Sequence[Link], *, min_score: float = 0.0) -> float:
    """Return the share of both sides' sentences that stand in links with a score above a least one.

    The document alignment coefficient: twice the aligned sentences by all of both sides (arXiv:2411.19096, here with
    links of several sentences).

    >>> aligned_share([Link((0,), (0, 1), 0.5), Link((1,), (), 0.0)])
    0.75
    """
    total = sum(len(link.source) + len(link.target) for link in links)
    aligned = sum(
        len(link.source) + len(link.target) for link in links if link.is_translated and link.score > min_score
    )
    return aligned / total if total else 0.0
