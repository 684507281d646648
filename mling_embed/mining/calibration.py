"""Calibration: from which margin on pairs are taken, by gold pairs or by the scores of pairs that cannot be right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from mling_embed.corpora.archives import open_plain
from mling_embed.corpora.lines import Decoding, read_lines
from mling_embed.errors import DataError, UsageError
from mling_embed.neighbors.margins import Margin
from mling_embed.neighbors.order import Neighbors
from mling_embed.neighbors.selection import ScoredPairs, Selection, select

_LOWER_PART = 0.5  # of the wrong pairs' scores, in which hardly any right pair lies


@dataclass(frozen=True, slots=True)
class ByGold:
    """Take the threshold with the best F1 on known right pairs of ids (the protocol of BUCC).

    Attributes:
        pairs: The ids of source and target of every right pair.
    """

    pairs: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class ByPrecision:
    """Take the lowest threshold above which the pairs are right with at least an expected precision.

    Attributes:
        precision: From above 0 to 1.
    """

    precision: float = 0.9

    def __post_init__(self) -> None:
        if not 0 < self.precision <= 1:
            raise UsageError(f"an expected precision of {self.precision}: it is above 0, and 1 at most.")


@dataclass(frozen=True, slots=True)
class Calibration:
    """Hold what is expected of the pairs above each margin.

    Attributes:
        thresholds: Margins, falling: those of the pairs. Shape: (n,).
        precision: The expected share of right pairs among those with at least this margin. Shape: (n,).
        wrong_share: The expected share of wrong pairs among all.
    """

    thresholds: Float64[ndarray, " n"]
    precision: Float64[ndarray, " n"]
    wrong_share: float

    def threshold_for(self, precision: float) -> float:
        """Return the lowest margin with an expected precision of at least this much; infinity where none has it."""
        enough = np.flatnonzero(self.precision >= precision)
        return float(self.thresholds[enough[-1]]) if len(enough) else float("inf")

    def precision_at(self, threshold: float) -> float:
        """Return the expected precision of the pairs with at least this margin; 1 where there are none."""
        n_above = int(np.searchsorted(-self.thresholds, -threshold, side="right"))
        return float(self.precision[n_above - 1]) if n_above else 1.0

    def at_fewest_errors(self) -> float:
        """Return the margin with the fewest expected errors, wrong pairs taken and right ones not; infinity: none."""
        gain = np.arange(1, len(self.thresholds) + 1) * (2 * self.precision - 1)
        best = int(np.argmax(gain)) if len(gain) else -1
        return float(self.thresholds[best]) if best >= 0 and gain[best] > 0 else float("inf")

    def at_best_f1(self) -> float:
        """Return the margin with the best expected F1; infinity where there are no pairs."""
        if not len(self.thresholds):
            return float("inf")
        n_taken = np.arange(1, len(self.thresholds) + 1)
        right = self.precision * n_taken
        return float(self.thresholds[np.argmax(2 * right / (n_taken + right[-1]))])


def best_f1_by_known(calibration: Calibration, known_scores: Float64[ndarray, " n_found"], n_known: int) -> float:
    """Return the margin with the best expected F1, by the margins of some pairs that are known to be right.

    The share of known pairs that are mined from a margin on is the recall there; the calibration tells how many right
    pairs were mined in all, and both together how many there are.

    Args:
        calibration: Of the mined pairs.
        known_scores: Margins of the known pairs that were mined. Shape: (n_found,).
        n_known: Known pairs, mined or not.

    Raises:
        UsageError: Not one of them was mined, so that they tell nothing.
    """
    if not len(known_scores):
        raise UsageError(f"none of {n_known:,} known pairs was mined.", next_step="Look at the model, or at their ids.")
    ranked = calibration.thresholds
    n_right = (1 - calibration.wrong_share) * len(ranked) * n_known / len(known_scores)
    recall = 1 - np.searchsorted(np.sort(known_scores), ranked, side="left") / len(known_scores)
    recall *= len(known_scores) / n_known
    n_taken = np.searchsorted(-ranked, -ranked, side="right")
    return float(ranked[np.argmax(2 * recall * n_right / (n_taken + n_right))])


def calibrate(scores: Float64[ndarray, " n"], wrong_scores: Float64[ndarray, " n_wrong"]) -> Calibration:
    """Estimate how many of the pairs above each margin are right, from the margins of pairs that are wrong.

    The scores are a mixture of right and of wrong pairs. As nearly all pairs in the lower half of what wrong pairs
    score are wrong, their number there, beside the wrong pairs' distribution, tells how many wrong pairs there are in
    all (Storey 2002), and that distribution how many of them lie above each margin.

    Args:
        scores: Margins of the pairs. Shape: (n,).
        wrong_scores: Margins of wrong pairs, of the same procedure. Shape: (n_wrong,).

    Raises:
        UsageError: There are no wrong pairs to compare with.
    """
    if not len(wrong_scores):
        raise UsageError("there are no wrong pairs to calibrate with.", next_step="Give a threshold instead.")
    ranked, wrong = np.sort(scores)[::-1], np.sort(wrong_scores)
    edge = np.quantile(wrong, _LOWER_PART)
    share = min(1.0, float(np.mean(ranked <= edge)) / float(np.mean(wrong <= edge))) if len(ranked) else 0.0
    return Calibration(ranked, _precision(ranked, wrong, share), share)


def _precision(
    ranked: Float64[ndarray, " n"], wrong: Float64[ndarray, " n_wrong"], share: float
) -> Float64[ndarray, " n"]:
    """Return the expected share of right pairs among those with at least each margin.

    The lower a margin, the larger the share of wrong pairs there: the expected wrong pairs above each are smoothed to
    the largest convex function below them (Grenander 1956; Strimmer 2008). Else one wrong pair with a freak margin
    would say that all pairs are as bad as the few best beside it.

    Args:
        ranked: Margins of the pairs, falling.
        wrong: Margins of wrong pairs, rising.
        share: Of the pairs that are wrong.
    """
    from scipy.optimize import isotonic_regression

    if not len(ranked):
        return np.empty(0)
    distinct, group, sizes = np.unique(-ranked, return_inverse=True, return_counts=True)  # equal ones go together
    above = 1 - np.searchsorted(wrong, -distinct, side="left") / len(wrong)
    wrong_here = np.diff(share * len(ranked) * above, prepend=0.0)
    rate = np.clip(isotonic_regression(wrong_here / sizes, weights=sizes).x, 0, 1)
    precision: Float64[ndarray, " n"] = (1 - np.cumsum(rate * sizes) / np.cumsum(sizes))[group]
    return precision


def wrong_pairs(
    forward: Neighbors, backward: Neighbors, pairs: ScoredPairs, k: int, *, margin: Margin, selection: Selection
) -> ScoredPairs:
    """Select again in a world without the pairs that were selected: what is found there is wrong.

    Each row of a pair loses its (best) partner from its list, and with it from its neighborhood, and the next neighbor
    moves up; the others keep their `k` nearest.

    Args:
        forward: Neighbors with k + 1 in a list.
        backward: Neighbors with k + 1 in a list.
        pairs: What was selected.
        k: Size of the neighborhoods.
        margin: As it was selected.
        selection: As it was selected.
    """
    ours = _without(forward, pairs.source, pairs.target, k)
    theirs = _without(backward, pairs.target, pairs.source, k)
    return select(ours, theirs, margin=margin, selection=selection)


def read_gold(path: Path) -> ByGold:
    """Read right pairs: ``source id<TAB>target id`` on each line.

    Raises:
        DataError: There is no such file, no pair in it, or a line that is none.
    """
    pairs = set()
    with open_plain(path) as stream:
        for line in read_lines(stream, decoding=Decoding.STRICT, where=path):
            if not line.text.strip():
                continue
            cells = line.text.split("\t")
            if len(cells) != 2 or not all(cell.strip() for cell in cells):
                raise DataError(
                    f"{len(cells)} cell(s), expected 'source id<TAB>target id'.", where=f"{path}:{line.number}"
                )
            pairs.add((cells[0], cells[1]))
    if not pairs:
        raise DataError("no pairs.", where=path, next_step="Give lines of 'source id<TAB>target id'.")
    return ByGold(frozenset(pairs))


def are_gold(gold: ByGold, sources: Iterable[tuple[str, ...]], targets: Iterable[tuple[str, ...]]) -> ndarray:
    """Tell of each pair whether any two ids of its sides are a right pair. Shape: (n_pairs,)."""
    by_source: dict[str, set[str]] = {}
    for source, target in gold.pairs:
        by_source.setdefault(source, set()).add(target)
    nothing: set[str] = set()
    return np.array(
        [
            any(not by_source.get(one, nothing).isdisjoint(theirs) for one in ours)
            for ours, theirs in zip(sources, targets, strict=True)
        ],
        dtype=bool,
    )


def _without(
    neighbors: Neighbors, rows: Int64[ndarray, " n_pairs"], partners: Int64[ndarray, " n_pairs"], k: int
) -> Neighbors:
    """Return the first `k` neighbors of each row when these pairs do not exist."""
    gone = np.zeros(neighbors.indices.shape, dtype=bool)
    place, column = np.nonzero(neighbors.indices[rows] == np.expand_dims(partners, 1))
    gone[rows[place], column] = True
    gone &= gone.cumsum(axis=1) == 1  # where one side is chosen more than once, its best alone
    order, width = gone.argsort(axis=1, kind="stable"), min(k, neighbors.indices.shape[1] - int(gone.any()))
    indices, scores = (np.take_along_axis(each, order, axis=1) for each in (neighbors.indices, neighbors.scores))
    return Neighbors(indices[:, :width], scores[:, :width])
