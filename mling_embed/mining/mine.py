"""`mine_bitext` and `mine_paraphrases`: from sentences to scored pairs, exactly, in bounded memory, once."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from math import isnan
from typing import Any

import numpy as np
from numpy import ndarray

from mling_embed.choices import choice
from mling_embed.errors import DataError, UsageError
from mling_embed.metrics.bucc import best_threshold, bucc_scores
from mling_embed.mining.calibration import ByGold, ByPrecision, Calibration, are_gold, calibrate, wrong_pairs
from mling_embed.mining.candidates import all_candidates, paraphrase_candidates, ranks_among
from mling_embed.mining.neighborhoods import neighborhoods, neighborhoods_within, share_out
from mling_embed.mining.pair_filters import PairReason
from mling_embed.mining.pairs import MinedPairs
from mling_embed.mining.sides import GivenVectors, MiningOptions, Side, collect_side, vector_source
from mling_embed.neighbors.margins import DEFAULT_K, Margin
from mling_embed.neighbors.order import Neighbors
from mling_embed.neighbors.selection import ScoredPairs, Selection, select
from mling_embed.progress import Progress, silent

logger = logging.getLogger(__name__)

Threshold = float | ByGold | ByPrecision
_LEAST_CALIBRATED = 50  # pairs, and wrong ones, below which their scores say little of how many are right


def mine_bitext(
    source: Side,
    target: Side,
    *,
    model: Any = None,
    vectors: tuple[GivenVectors, GivenVectors] | None = None,
    margin: Margin | str = Margin.RATIO,
    selection: Selection | str | None = Selection.MAX,
    k: int = DEFAULT_K,
    threshold: Threshold | None = None,
    options: MiningOptions | None = None,
    progress: Progress = silent,
) -> MinedPairs:
    """Find the pairs of a source and a target sentence that mean the same.

    Each distinct sentence is encoded once; its k nearest sentences of the other side are found exactly; the margin sets
    each cosine against both neighborhoods (Artetxe and Schwenk 2019); the selection takes pairs by margin.

    Args:
        source: One side: a list of sentences, a file or folder of them (``FILE[:lang]``), or a `SentenceSource`.
        target: The other side.
        model: The encoder of both sides: a folder, a name of the hub, or anything with `encode`.
        vectors: In place of a model, a vector for each line of either side: arrays, or files.
        margin: ``ratio``, ``distance`` or ``absolute``.
        selection: ``max``, ``intersection``, ``forward`` or ``backward``; `None` gives every candidate.
        k: Size of the neighborhoods.
        threshold: Take pairs above a margin, from the margin on that is best on gold pairs, or from the one on that has
            an expected precision; all pairs by default.
        options: Filters, the work folder, limits.
        progress: Told of sentences read and encoded, and of tiles done.

    Raises:
        UsageError: The options make no sense, or memory does not suffice.
        DataError: A file or its vectors do not have the form that they should have.

    >>> import numpy as np
    >>> ways = np.eye(3)
    >>> mined = mine_bitext(["eins", "zwei", "drei"], ["three", "one"], vectors=(ways, ways[[2, 0]]), k=1)
    >>> [(pair.source, pair.target) for pair in mined]
    [('eins', 'one'), ('drei', 'three')]
    """
    margin, selection = choice(Margin, margin), None if selection is None else choice(Selection, selection)
    _check_usage(k, threshold)
    options, given = options or MiningOptions(), vector_source(model, vectors)
    ours, theirs = collect_side(source, options, progress), collect_side(target, options, progress)
    given.encode_elsewhere((ours, theirs), options, progress)
    shards = given.shards(0, ours, options, progress), given.shards(1, theirs, options, progress)
    wider = k + 1  # the one more is what calibration looks at
    share_out([shards], wider, options=options, progress=progress)
    found = neighborhoods(*shards, wider, options=options, progress=progress)
    both = found.forward, found.backward
    scored, calibration = _selected(both, k, margin, selection)
    forward, backward = (_first(neighbors, k) for neighbors in both)
    ranks = (ranks_among(forward, scored.source, scored.target), ranks_among(backward, scored.target, scored.source))
    mined = MinedPairs(ours, theirs, scored, *ranks, calibration=calibration, approximation=found.approximation)
    return _thresholded(_filtered(mined, options), threshold)


def mine_paraphrases(
    sentences: Side,
    *,
    model: Any = None,
    vectors: GivenVectors | None = None,
    margin: Margin | str = Margin.ABSOLUTE,
    k: int = DEFAULT_K,
    threshold: float | None = None,
    options: MiningOptions | None = None,
    progress: Progress = silent,
) -> MinedPairs:
    """Find the pairs of sentences of one set that mean the same, in one language or across languages.

    Each sentence's k nearest other ones are candidates; a pair comes once, the sentence that was read first as its
    source. Arguments are as in `mine_bitext`.

    Raises:
        UsageError: The options make no sense, or memory does not suffice.
        DataError: A file or its vectors do not have the form that they should have.
    """
    margin = choice(Margin, margin)
    _check_usage(k, threshold)
    options, given = options or MiningOptions(), vector_source(model, None if vectors is None else (vectors,))
    side = collect_side(sentences, options, progress)
    given.encode_elsewhere((side,), options, progress)
    found = neighborhoods_within(given.shards(0, side, options, progress), k, options=options, progress=progress)
    neighbors = found.forward
    scored = paraphrase_candidates(neighbors, margin=margin)
    ranks = (ranks_among(neighbors, scored.source, scored.target), ranks_among(neighbors, scored.target, scored.source))
    mined = MinedPairs(side, side, scored, *ranks, approximation=found.approximation)
    return _thresholded(_filtered(mined, options), threshold)


def _check_usage(k: int, threshold: Threshold | None) -> None:
    if k < 1:
        raise UsageError(f"k is {k}, expected at least 1.")
    if isinstance(threshold, int | float) and isnan(threshold):
        raise UsageError("the threshold is not a number.")


def _selected(
    both: tuple[Neighbors, Neighbors], k: int, margin: Margin, selection: Selection | None
) -> tuple[ScoredPairs, Calibration | None]:
    """Return the pairs, and what is expected of them: all candidates and nothing where there is no selection."""
    forward, backward = (_first(neighbors, k) for neighbors in both)
    if selection is None:
        return all_candidates(forward, backward, margin=margin), None
    scored = select(forward, backward, margin=margin, selection=selection)
    wrong = wrong_pairs(*both, scored, k, margin=margin, selection=selection)
    enough = min(len(scored), len(wrong)) >= _LEAST_CALIBRATED
    return scored, calibrate(scored.margins, wrong.margins) if enough else None


def _first(neighbors: Neighbors, k: int) -> Neighbors:
    return Neighbors(neighbors.indices[:, :k], neighbors.scores[:, :k])


def _filtered(mined: MinedPairs, options: MiningOptions) -> MinedPairs:
    """Return the pairs that the filters keep; the others are counted and told of."""
    check = options.pairs.check_for(mined.source.language, mined.target.language)
    kept, rejected = np.ones(len(mined), dtype=bool), Counter[PairReason]()
    for place, pair in enumerate(mined):
        if (reason := check(pair.source, pair.target)) is not None:
            kept[place] = False
            rejected[reason] += 1
            if options.rejected_pair is not None:
                options.rejected_pair(pair, reason)
    return replace(_taken(mined, kept), rejected=rejected)


def _thresholded(mined: MinedPairs, threshold: Threshold | None) -> MinedPairs:
    """Return the pairs above the threshold that is given, or from the one on that is found."""
    margins = mined.scored.margins
    match threshold:
        case None:
            return mined
        case ByGold():
            _check_gold(threshold, mined)
            source_ids, target_ids = mined.source.ids(mined.scored.source), mined.target.ids(mined.scored.target)
            correct = are_gold(threshold, source_ids, target_ids)
            found = best_threshold(margins, correct, len(threshold.pairs))
            scores = bucc_scores(margins, correct, len(threshold.pairs), threshold=found)
            return replace(_taken(mined, margins >= found), threshold=found, bucc=scores)
        case ByPrecision():
            if mined.calibration is None:
                raise UsageError(
                    f"an expected precision needs a selection, and {_LEAST_CALIBRATED} pairs beside as many wrong.",
                    next_step="Give a threshold instead.",
                )
            found = mined.calibration.threshold_for(threshold.precision)
            return replace(_taken(mined, margins >= found), threshold=found)
        case _:
            return replace(_taken(mined, margins > threshold), threshold=float(threshold))


def _check_gold(gold: ByGold, mined: MinedPairs) -> None:
    """See that gold pairs speak of these sides; who is left out by a filter still counts as not found.

    Raises:
        DataError: Not one does.
    """
    ours, theirs = mined.source.all_ids(), mined.target.all_ids()
    absent = sum(one not in ours or other not in theirs for one, other in gold.pairs)
    if absent == len(gold.pairs) and ours and theirs:
        wanted, there = min(gold.pairs), (min(ours), min(theirs))
        raise DataError(
            f"none of the {absent:,} gold pairs, such as {wanted[0]!r} and {wanted[1]!r}, "
            f"names sentences of both sides, such as {there[0]!r} and {there[1]!r}.",
            next_step="Give 'source id<TAB>target id' in the order of the sides; without ids, lines count from 1.",
        )
    if absent:
        logger.warning("%d of %d gold pairs name sentences that were not mined.", absent, len(gold.pairs))


def _taken(mined: MinedPairs, kept: ndarray) -> MinedPairs:
    return replace(
        mined,
        scored=mined.scored.take(kept),
        forward_ranks=mined.forward_ranks[kept],
        backward_ranks=mined.backward_ranks[kept],
    )
