"""Agreement of what was chosen from two translations of a text, and what chance gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import comb, fsum

from mling_embed.errors import UsageError

NO_BEAD = -1


def bead_overlap(source: Sequence[int], target: Sequence[int]) -> float:
    """Return the Dice coefficient of two choices of sentences, given as the beads of an alignment.

    A sentence is met if a sentence of its bead was chosen on the other side; one without bead (-1) never is.

    >>> bead_overlap([0, 1, -1], [1, 1])
    0.6
    """
    if not source and not target:
        raise UsageError("nothing was chosen on either side.")
    met = sum(bead in target for bead in source if bead != NO_BEAD)
    met += sum(bead in source for bead in target if bead != NO_BEAD)
    return met / (len(source) + len(target))


def chance_overlap(source: Sequence[int], target: Sequence[int], n_source: int, n_target: int) -> float:
    """Return the mean overlap of so many sentences of both sides, drawn at random without replacement: exactly.

    A sentence is drawn with probability n / N, and independently of that none of its m counterparts among the M of the
    other side, of which k are drawn, with probability C(M - m, k) / C(M, k).

    Args:
        source: The bead of each sentence.
        target: The same of the other side.
        n_source: Sentences drawn of the source.
        n_target: Sentences drawn of the target.

    >>> chance_overlap([0, 1], [0, 1], 1, 1)
    0.5
    """
    if not 1 <= n_source <= len(source) or not 1 <= n_target <= len(target):
        raise UsageError(f"{n_source} of {len(source)} and {n_target} of {len(target)} sentences cannot be drawn.")
    met = 0.0
    for one, other, n_one, n_other in ((source, target, n_source, n_target), (target, source, n_target, n_source)):
        counterparts = Counter(other)
        none = [comb(len(other) - counterparts[bead], n_other) / comb(len(other), n_other) for bead in one]
        met += n_one / len(one) * fsum(1 - each for each, bead in zip(none, one, strict=True) if bead != NO_BEAD)
    return met / (n_source + n_target)
