"""BUCC: precision, recall and F1 of mined pairs of ids, and the threshold that is best on gold pairs (LASER's bucc.py).

MTEB's task of the same name is another measure: cosine 1-nearest-neighbor for each gold source, weighted F1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64
from numpy import ndarray

from mling_embed.errors import UsageError


@dataclass(frozen=True, slots=True)
class BuccScores:
    """Hold how mined pairs compare with the gold pairs.

    Attributes:
        n_mined: Pairs mined.
        n_gold: Gold pairs.
        n_correct: Mined pairs that are gold.
    """

    n_mined: int
    n_gold: int
    n_correct: int

    @property
    def precision(self) -> float:
        """Return correct / mined; 0 where nothing is mined."""
        return self.n_correct / self.n_mined if self.n_mined else 0.0

    @property
    def recall(self) -> float:
        """Return correct / gold."""
        return self.n_correct / self.n_gold

    @property
    def f1(self) -> float:
        """Return the harmonic mean of precision and recall; 0 where nothing is correct."""
        return 2 * self.n_correct / (self.n_mined + self.n_gold)


def bucc_scores(
    scores: Float[ndarray, " n_pairs"], correct: Bool[ndarray, " n_pairs"], n_gold: int, *, threshold: float
) -> BuccScores:
    """Score the pairs with at least a threshold.

    Args:
        scores: Of each mined pair. Shape: (n_pairs,).
        correct: Whether each is a gold pair. Shape: (n_pairs,).
        n_gold: Gold pairs, mined or not.
        threshold: Tuned on other data.

    Raises:
        UsageError: There are no gold pairs.
    """
    _require_gold(n_gold)
    taken = scores >= threshold
    return BuccScores(int(taken.sum()), n_gold, int((correct & taken).sum()))


def best_threshold(scores: Float[ndarray, " n_pairs"], correct: Bool[ndarray, " n_pairs"], n_gold: int) -> float:
    """Return the threshold with the best F1: halfway between the last score taken and the next one.

    Pairs with equal scores are taken together. Of equal F1 the highest threshold is returned; after the last score
    comes none, so that it is itself the threshold; infinity where no pair is correct.

    Raises:
        UsageError: There are no gold pairs.
    """
    _require_gold(n_gold)
    order = np.argsort(-scores, kind="stable")
    ranked, found = scores[order], np.cumsum(correct[order])
    if not len(ranked) or not found[-1]:
        return float("inf")
    ends = np.append(np.flatnonzero(ranked[:-1] != ranked[1:]), len(ranked) - 1)
    f1 = 2 * found[ends] / (ends + 1 + n_gold)
    end = int(ends[np.argmax(f1)])
    return float(ranked[end] if end + 1 == len(ranked) else (ranked[end] + ranked[end + 1]) / 2)


def unrepeated_rows(texts: Sequence[str]) -> Int64[ndarray, " n"]:
    """Return the rows whose text stands once: the protocol leaves out what occurs twice on a side."""
    times = Counter(texts)
    return np.array([row for row, text in enumerate(texts) if times[text] == 1], dtype=np.int64)


def gold_rows(
    gold: Collection[tuple[str, str]], source_ids: Sequence[str], target_ids: Sequence[str]
) -> Int64[ndarray, "n_gold 2"]:
    """Return the gold pairs as rows of the two sides; a pair with a side that is not there is left out."""
    sources = {name: row for row, name in enumerate(source_ids)}
    targets = {name: row for row, name in enumerate(target_ids)}
    rows = [(sources[one], targets[other]) for one, other in sorted(gold) if one in sources and other in targets]
    return np.array(rows, dtype=np.int64).reshape(-1, 2)


def _require_gold(n_gold: int) -> None:
    if n_gold < 1:
        raise UsageError("there are no gold pairs.", next_step="Give at least one.")
