"""`mine_bitext` and `mine_paraphrases`: from sentences to scored pairs, exactly, in bounded memory, once."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from mling_embed.corpora.lines import Decoding
from mling_embed.encoders.contract import Encoder, PromptRole
from mling_embed.errors import UsageError
from mling_embed.languages import UNKNOWN_LANGUAGE
from mling_embed.metrics.bucc import best_threshold, bucc_scores
from mling_embed.mining.array_store import ArrayStore
from mling_embed.mining.calibration import ByGold, ByPrecision, Calibration, are_gold, calibrate, wrong_pairs
from mling_embed.mining.candidates import all_candidates, paraphrase_candidates, ranks_among
from mling_embed.mining.memory import block_rows_within
from mling_embed.mining.pair_filters import PairFilter, PairReason
from mling_embed.mining.pairs import MinedPair, MinedPairs
from mling_embed.mining.sentences import RejectedSentence, SentenceFilter, Sentences, collect_sentences
from mling_embed.mining.shards import SHARD_ROWS, ShardedVectors, encode_shards, open_vectors, shards_of_vectors
from mling_embed.mining.sources import SentenceSource, sentence_source
from mling_embed.mining.tiles import neighbors_both_ways, neighbors_within
from mling_embed.neighbors.margins import DEFAULT_K, Margin
from mling_embed.neighbors.order import Neighbors
from mling_embed.neighbors.selection import ScoredPairs, Selection, select
from mling_embed.progress import Progress, silent

logger = logging.getLogger(__name__)

Side = str | Path | Sequence[str] | SentenceSource
Threshold = float | ByGold | ByPrecision
GivenVectors = str | Path | Float[ndarray, "n dim"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MiningOptions:
    """Say how a mining is done; none of it changes which of the kept sentences are pairs.

    Attributes:
        work: A folder for vectors and tiles, named by content: a run that was stopped goes on, another run takes from it
            what is the same, and a file added to either side costs its own tiles alone. Memory by default.
        memory: The most bytes of the process while it searches and selects; no limit by default.
        sentences: Which sentences are left out.
        pairs: Which of the selected pairs are left out.
        decoding: What becomes of a line that is not UTF-8.
        shard_rows: Rows of a shard.
        rejected_sentence: Told of each row that is left out.
        rejected_pair: Told of each selected pair that a filter leaves out.
    """

    work: Path | None = None
    memory: int | None = None
    sentences: SentenceFilter = field(default_factory=SentenceFilter)
    pairs: PairFilter = field(default_factory=PairFilter)
    decoding: Decoding = Decoding.QUARANTINE
    shard_rows: int = SHARD_ROWS
    rejected_sentence: Callable[[RejectedSentence], None] | None = None
    rejected_pair: Callable[[MinedPair, PairReason], None] | None = None


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
        threshold: Take pairs above a margin, from the margin that is best on gold pairs on, or from that on which has an
            expected precision; all pairs by default.
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
    margin, selection = _choice(Margin, margin), None if selection is None else _choice(Selection, selection)
    options = _checked_options(options, k, threshold)
    encoder = _encoder_of(model, vectors)
    sides = [_collected(side, options, progress) for side in (source, target)]
    shards = [
        _sharded(side, encoder, None if vectors is None else vectors[place], options, progress)
        for place, side in enumerate(sides)
    ]
    _require_one_width(*shards)
    wider = k + 1  # the one more is what calibration looks at
    block_rows = block_rows_within(options.memory, n_rows=sum(map(len, sides)), dim=shards[0].dim, k=wider)
    both = neighbors_both_ways(
        *shards, wider, store=_store(options, "tiles"), block_rows=block_rows, progress=progress
    )
    forward, backward = (_first(neighbors, k) for neighbors in both)
    if selection is None:
        scored, calibration = all_candidates(forward, backward, margin=margin), None
    else:
        scored = select(forward, backward, margin=margin, selection=selection)
        wrong = wrong_pairs(*both, scored, k, margin=margin, selection=selection)
        calibration = calibrate(scored.margins, wrong.margins) if len(wrong) else None
    ranks = (ranks_among(forward, scored.source, scored.target), ranks_among(backward, scored.target, scored.source))
    mined = MinedPairs(*sides, scored, *ranks, calibration=calibration)
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
    margin = _choice(Margin, margin)
    options = _checked_options(options, k, threshold)
    encoder = _encoder_of(model, vectors)
    side = _collected(sentences, options, progress)
    shards = _sharded(side, encoder, vectors, options, progress)
    block_rows = block_rows_within(options.memory, n_rows=len(side), dim=shards.dim, k=2 * k)
    neighbors = neighbors_within(
        shards, k, store=_store(options, "tiles"), block_rows=block_rows, progress=progress
    )
    scored = paraphrase_candidates(neighbors, margin=margin)
    ranks = (ranks_among(neighbors, scored.source, scored.target), ranks_among(neighbors, scored.target, scored.source))
    mined = MinedPairs(side, side, scored, *ranks)
    copies = replace(options, pairs=replace(options.pairs, max_copied_words=None))  # distinct already
    return _thresholded(_filtered(mined, copies), threshold)


def _choice(kind: Any, value: str) -> Any:
    try:
        return kind(value)
    except ValueError:
        raise UsageError(
            f"'{value}' is no {kind.__name__.lower()}.", next_step=f"Choose one of {', '.join(kind)}."
        ) from None


def _checked_options(options: MiningOptions | None, k: int, threshold: Threshold | None) -> MiningOptions:
    options = options or MiningOptions()
    if k < 1:
        raise UsageError(f"k is {k}, expected at least 1.")
    if options.shard_rows < 1:
        raise UsageError(f"shard_rows is {options.shard_rows}, expected at least 1.")
    if isinstance(threshold, int | float) and np.isnan(threshold):
        raise UsageError("the threshold is not a number.")
    return options


def _encoder_of(model: Any, vectors: Any) -> Encoder | None:
    if (model is None) == (vectors is None):
        raise UsageError(
            "give a model or vectors, and not both." if model is not None else "neither a model nor vectors.",
            next_step="Name the encoder with model=, or give the vectors of every line with vectors=.",
        )
    if model is None:
        return None
    from mling_embed.encoders.contract import as_encoder

    encoder: Encoder = as_encoder(model)
    return encoder


def _collected(side: Side, options: MiningOptions, progress: Progress) -> Sentences:
    return collect_sentences(
        sentence_source(side),
        folder=None if options.work is None else options.work / "sentences",
        keep=options.sentences,
        decoding=options.decoding,
        rejected=options.rejected_sentence,
        progress=progress,
    )


def _sharded(
    side: Sentences, encoder: Encoder | None, given: GivenVectors | None, options: MiningOptions, progress: Progress
) -> ShardedVectors:
    if encoder is not None:
        return encode_shards(
            side,
            encoder,
            store=_store(options, "vectors"),
            role=PromptRole.QUERY,
            shard_rows=options.shard_rows,
            progress=progress,
        )
    is_path = isinstance(given, str | Path)
    vectors = open_vectors(given) if is_path else np.asanyarray(given)
    return shards_of_vectors(
        side, vectors, where=str(given) if is_path else "vectors", shard_rows=options.shard_rows
    )


def _store(options: MiningOptions, name: str) -> ArrayStore:
    return ArrayStore(None if options.work is None else options.work / name)


def _require_one_width(source: ShardedVectors, target: ShardedVectors) -> None:
    if len(source) and len(target) and source.dim != target.dim:
        raise UsageError(
            f"vectors of {source.dim} and {target.dim} dimensions cannot be compared.",
            next_step="Encode both sides with the same model.",
        )


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
    """Return the pairs above the threshold that is given, or found."""
    margins = mined.scored.margins
    match threshold:
        case None:
            return mined
        case ByGold():
            rows = np.arange(len(mined))
            correct = are_gold(
                threshold, mined.source.ids(mined.scored.source[rows]), mined.target.ids(mined.scored.target[rows])
            )
            found = best_threshold(margins, correct, len(threshold.pairs))
            scores = bucc_scores(margins, correct, len(threshold.pairs), threshold=found)
            return replace(_taken(mined, margins >= found), threshold=found, bucc=scores)
        case ByPrecision():
            if mined.calibration is None:
                raise UsageError(
                    "an expected precision needs a selection, and sentences beside the pairs.",
                    next_step="Give a threshold instead.",
                )
            found = mined.calibration.threshold_for(threshold.precision)
            return replace(_taken(mined, margins >= found), threshold=found)
        case _:
            return replace(_taken(mined, margins > threshold), threshold=float(threshold))


def _taken(mined: MinedPairs, kept: ndarray) -> MinedPairs:
    return replace(
        mined,
        scored=mined.scored.take(kept),
        forward_ranks=mined.forward_ranks[kept],
        backward_ranks=mined.backward_ranks[kept],
    )
