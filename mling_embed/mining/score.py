"""`score_bitext`: how well the pairs of an existing parallel text fit, and which of them do not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from math import isnan
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64
from numpy import ndarray

from mling_embed.choices import choice
from mling_embed.corpora.corpus_input import CorpusInput
from mling_embed.corpora.filters import FilterOptions, english_filter, tidy, translation_filter
from mling_embed.corpora.inputs import guess_input
from mling_embed.corpora.lines import Decoding
from mling_embed.corpora.readers import read_input
from mling_embed.corpora.records import Reason, Reject
from mling_embed.errors import DataError, UsageError
from mling_embed.languages import ENGLISH, UNKNOWN_LANGUAGE, language_code
from mling_embed.mining.calibration import Calibration, calibrate
from mling_embed.mining.neighborhoods import neighborhoods, share_out
from mling_embed.mining.pair_filters import PairReason, numbers_in
from mling_embed.mining.scored import Flag, ScoredBitext, ScoredPair, Shift
from mling_embed.mining.sentences import SentenceFilter, Sentences, collect_sentences
from mling_embed.mining.shards import PIECE_ROWS, ShardedVectors
from mling_embed.mining.shifts import MOST_LINES, SHIFTS, shifted_blocks
from mling_embed.mining.sides import MiningOptions, VectorSource, vector_source
from mling_embed.mining.sources import SentenceSource
from mling_embed.neighbors.margins import DEFAULT_K, Margin, best_neighbors, margin_scores, mean_similarity
from mling_embed.progress import Progress, silent

PairsInput = str | CorpusInput | Sequence[tuple[str, ...]]
_CHUNK = 4096  # pairs whose vectors are in memory at once
_LEAST_CALIBRATED = 20  # pairs from which on a threshold is found in the scores
_EVERYTHING = SentenceFilter(max_characters=None, min_script_share=None)


@dataclass(slots=True)
class _Row:
    """Hold a row while it is scored."""

    english: str
    other: str
    language: str
    file: str
    line: int
    reasons: list[str] = field(default_factory=list)
    score: float | None = None
    cosine: float | None = None

    def scored(self) -> ScoredPair:
        return ScoredPair(
            self.score,
            self.cosine,
            tuple(self.reasons),
            self.language,
            _writable(self.english),
            _writable(self.other),
            self.file,
            self.line,
        )


def score_bitext(
    pairs: PairsInput,
    *,
    model: Any,
    margin: Margin | str = Margin.RATIO,
    k: int = DEFAULT_K,
    min_score: float | None = None,
    same_numbers: bool = False,
    filters: FilterOptions | None = None,
    options: MiningOptions | None = None,
    progress: Progress = silent,
) -> ScoredBitext:
    """Score the pairs of a parallel text against the sentences around them, and say what speaks against each.

    The score is the margin of a pair among the k nearest sentences of both its sides in the file (of one language at a
    time). A pair is flagged where

    - its score is below the one that parts the file from its own sides paired at random with the fewest expected errors
      (``low-margin``);
    - both its sides have a sentence elsewhere that fits better (``better-elsewhere``);
    - it lies in a block in which one side stands some lines too low or too high (``shifted``);
    - a filter of `build_corpus` rejects it, or its numbers differ if that is asked for.

    Args:
        pairs: What ``--pairs`` reads: ``FILE[:lang]``, ``ENGLISH,OTHER:lang``, a `CorpusInput`; or tuples of an English
            sentence, its translation and, if it is known, the language.
        model: The encoder: a folder, a name of the hub, or anything with `encode`.
        margin: ``ratio``, ``distance`` or ``absolute``.
        k: Size of the neighborhoods.
        min_score: The score below which a pair is flagged; found by itself by default.
        same_numbers: Whether to flag pairs with different numbers.
        filters: The filters of the corpus.
        options: The work folder, memory and decoding; its own filters do not matter here.
        progress: Told of sentences encoded and of tiles done.

    Raises:
        UsageError: The options make no sense, or memory does not suffice.
        DataError: The file is not in its format, or holds no pairs.
    """
    margin, options = choice(Margin, margin), options or MiningOptions()
    if k < 1:
        raise UsageError(f"k is {k}, expected at least 1.")
    if min_score is not None and isnan(min_score):
        raise UsageError("the least score is not a number.")
    vectors = vector_source(model, None)
    rows = list(_read(pairs, options.decoding))
    if not any(row.other for row in rows):
        raise DataError("no pairs to score.", where=_name_of(pairs), next_step="Give lines of 'english<TAB>other'.")
    _filter(rows, filters or FilterOptions(), same_numbers=same_numbers)
    shifts: list[Shift] = []
    calibrations: dict[str, Calibration] = {}
    thresholds: dict[str, float] = {}
    unusable = _EVERYTHING.check_for(UNKNOWN_LANGUAGE)
    usable = [row for row in rows if row.english and not unusable(row.english) and not unusable(row.other)]
    by_language = sorted(usable, key=lambda row: row.language)  # stable: in the file's order within a language
    groups = {language: _Group(list(group)) for language, group in groupby(by_language, key=lambda row: row.language)}
    _share_out(groups.values(), vectors, k, options, progress)
    for language, group in groups.items():
        scoring = _Scoring(group, vectors, margin=margin, k=k, options=options, progress=progress)
        calibrations[language] = calibration = calibrate(scoring.margins, scoring.unrelated)
        found = calibration.at_fewest_errors() if len(scoring.margins) >= _LEAST_CALIBRATED else float("-inf")
        thresholds[language] = found if min_score is None else min_score
        shifts += scoring.flag(thresholds[language])
    return ScoredBitext(tuple(row.scored() for row in rows), tuple(shifts), calibrations, thresholds)


class _Group:
    """Hold the pairs of one language, and the distinct sentences of both sides.

    Attributes:
        rows: The pairs.
        source: The sentence of each on the English side, as a row of that side. Shape: (n_pairs,).
        target: The other's.
    """

    def __init__(self, rows: list[_Row]) -> None:
        self.rows = rows
        texts = [[row.english for row in rows], [row.other for row in rows]]
        (english, self.source), (other, self.target) = (_distinct(side) for side in texts)
        self._texts, self._languages = (english, other), (ENGLISH, rows[0].language)

    def sides(self, options: MiningOptions) -> tuple[Sentences, Sentences]:
        """Return the distinct sentences of both sides, in the work folder where others are to read them."""
        ours, theirs = (
            collect_sentences(
                SentenceSource(language, texts=side),
                folder=None if options.work is None else options.work.resolve() / "sentences",
                lists_too=options.engine is not None,
                keep=_EVERYTHING,
            )
            for language, side in zip(self._languages, self._texts, strict=True)
        )
        return ours, theirs


def _share_out(
    groups: Iterable[_Group], vectors: VectorSource, k: int, options: MiningOptions, progress: Progress
) -> None:
    """Have the engine encode and compute the tiles of every language; nothing without an engine."""
    if options.engine is None or options.work is None:
        return
    collected = [group.sides(options) for group in groups]
    vectors.encode_elsewhere([side for sides in collected for side in sides], options, progress)
    shards = [
        (vectors.shards(0, ours, options, progress), vectors.shards(1, theirs, options, progress))
        for ours, theirs in collected
    ]
    share_out(shards, k, options=options, progress=progress)


class _Scoring:
    """Score the pairs of one language.

    Attributes:
        margins: Of each pair. Shape: (n_pairs,).
        unrelated: Margins of the same sides paired at random. Shape: (n_pairs,).
    """

    def __init__(
        self,
        group: _Group,
        vectors: VectorSource,
        *,
        margin: Margin,
        k: int,
        options: MiningOptions,
        progress: Progress,
    ) -> None:
        self._rows, self._source, self._target = group.rows, group.source, group.target
        sides = group.sides(options)
        source, target = (vectors.shards(place, side, options, progress) for place, side in enumerate(sides))
        found = neighborhoods(source, target, k, options=options, progress=progress)
        forward, backward = found.forward, found.backward
        self._forward, self._backward, self._margin = forward, backward, margin
        self._aligned, self._shifted, unrelated = self._cosines(source, target)
        self._spread = float(unrelated.std())
        self.margins = self._margins(self._aligned, self._target)
        self.unrelated = self._margins(unrelated, _far(self._target))

    def flag(self, threshold: float) -> list[Shift]:
        """Write scores and reasons into the rows, and return the blocks that stand too low or too high."""
        elsewhere = self._better_elsewhere()
        for place, row in enumerate(self._rows):
            row.score, row.cosine = float(self.margins[place]), float(self._aligned[place])
            if row.score < threshold:
                row.reasons.append(Flag.LOW_MARGIN)
            if elsewhere[place]:
                row.reasons.append(Flag.BETTER_ELSEWHERE)
        shifts = []
        for block in shifted_blocks(self._aligned, self._shifted, self._spread):
            rows = self._rows[block.start : block.stop]
            for row in rows:
                row.reasons.append(Flag.SHIFTED)
            shifts.append(Shift(rows[0].language, rows[0].file, rows[0].line, rows[-1].line, block.shift))
        return shifts

    def _margins(self, cosines: Float64[ndarray, " n"], target: Int64[ndarray, " n"]) -> Float64[ndarray, " n"]:
        means = mean_similarity(self._forward)[self._source], mean_similarity(self._backward)[target]
        scores: Float64[ndarray, " n"] = margin_scores(cosines, *means, margin=self._margin)
        return scores

    def _better_elsewhere(self) -> Bool[ndarray, " n"]:
        """Tell of each pair whether each of its sides has a neighbor with a larger margin than the pair's."""
        best_forward = best_neighbors(self._forward, self._backward, margin=self._margin)[2][self._source]
        best_backward = best_neighbors(self._backward, self._forward, margin=self._margin)[2][self._target]
        tolerance = 1e-9  # the pair itself may be the best, computed in another order
        better: Bool[ndarray, " n"] = np.minimum(best_forward, best_backward) > self.margins + tolerance
        return better

    def _cosines(
        self, source: ShardedVectors, target: ShardedVectors
    ) -> tuple[Float64[ndarray, " n"], Float64[ndarray, "n n_shifts"], Float64[ndarray, " n"]]:
        """Return the cosines of the pairs as they stand, after each shift, and of sides paired at random."""
        n = len(self._rows)
        aligned, shifted, unrelated = np.empty(n), np.full((n, len(SHIFTS)), -1.0), np.empty(n)
        far = _far(self._target)
        for start in range(0, n, _CHUNK):
            stop = min(start + _CHUNK, n)
            low, high = max(start - MOST_LINES, 0), min(stop + MOST_LINES, n)
            ours = _vectors_of(source, self._source[start:stop])
            theirs = _vectors_of(target, self._target[low:high])
            aligned[start:stop] = _products(ours, theirs[start - low : stop - low])
            unrelated[start:stop] = _products(ours, _vectors_of(target, far[start:stop]))
            for column, shift in enumerate(SHIFTS):
                first, last = max(start, low - shift), min(stop, high - shift)
                if first < last:
                    there = theirs[first + shift - low : last + shift - low]
                    shifted[first:last, column] = _products(ours[first - start : last - start], there)
        return aligned, shifted, unrelated


def _writable(text: str) -> str:
    """Return a text that any encoding can write: halves of surrogate pairs as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _far(target: Int64[ndarray, " n"]) -> Int64[ndarray, " n"]:
    """Return for each pair the other side of one half the file away."""
    return np.roll(target, len(target) // 2)


def _distinct(texts: list[str]) -> tuple[list[str], Int64[ndarray, " n"]]:
    """Return the distinct texts in the order of their coming, and the row of each text among them."""
    rows: dict[str, int] = {}
    places = np.array([rows.setdefault(text, len(rows)) for text in texts], dtype=np.int64)
    return list(rows), places


def _products(left: Float[ndarray, "n dim"], right: Float[ndarray, "n dim"]) -> Float64[ndarray, " n"]:
    products: Float64[ndarray, " n"] = np.einsum("nd,nd->n", left, right, dtype=np.float64)
    return products


def _vectors_of(vectors: ShardedVectors, rows: Int64[ndarray, " n"]) -> Float[ndarray, "n dim"]:
    """Return the vectors of rows, reading each piece that holds one of them once."""
    found = np.empty((len(rows), vectors.dim), dtype=np.float32)
    for piece in np.unique(rows // PIECE_ROWS):
        here = np.flatnonzero(rows // PIECE_ROWS == piece)
        start = int(piece) * PIECE_ROWS
        found[here] = vectors.read(start, min(start + PIECE_ROWS, len(vectors)))[rows[here] - start]
    return found


def _read(pairs: PairsInput, decoding: Decoding) -> Iterator[_Row]:
    """Yield every row, in order; a line that holds no pair has its reason already."""
    if not isinstance(pairs, str | CorpusInput):
        for place, pair in enumerate(pairs):
            if not 2 <= len(pair) <= 3 or not all(isinstance(part, str) for part in pair):
                what = "an English sentence, its translation and, if known, the language"
                raise UsageError(f"pair {place} is {pair!r}, expected {what}.")
            language = language_code(pair[2]) if len(pair) == 3 else UNKNOWN_LANGUAGE
            yield _Row(tidy(pair[0]), tidy(pair[1]), language, "pairs", place)
        return
    source = guess_input(pairs) if isinstance(pairs, str) else pairs
    for where, row in read_input(source, decoding=decoding):
        language = _code(row.language or source.language)
        if isinstance(row, Reject):
            yield _Row(row.text, "", language, where, row.line, [row.reason])
        elif row.other is None:
            yield _Row(row.english, "", language, where, row.line, [Reason.EMPTY])
        else:
            yield _Row(tidy(row.english), tidy(row.other), language, where, row.line)


def _code(name: str | None) -> str:
    if name is None:
        return UNKNOWN_LANGUAGE
    try:
        return language_code(name)
    except UsageError:
        return UNKNOWN_LANGUAGE


def _filter(rows: list[_Row], filters: FilterOptions, *, same_numbers: bool) -> None:
    """Write the filters' reasons into the rows."""
    check_english = english_filter(filters)
    checks = {language: translation_filter(language, filters) for language in {row.language for row in rows}}
    identify: dict[str, Any] = {}
    if filters.min_language_confidence is not None:
        from mling_embed.corpora.language_id import language_filter

        known = checks.keys() - {UNKNOWN_LANGUAGE}
        identify = {language: language_filter(language, filters.min_language_confidence) for language in known}
    for row in rows:
        if row.reasons:
            continue
        reason = check_english(row.english) or checks[row.language](row.english, row.other)
        if reason is None and row.language in identify:
            reason = identify[row.language](row.other)
        if reason is not None:
            row.reasons.append(reason)
        if same_numbers and row.english and row.other and numbers_in(row.english) != numbers_in(row.other):
            row.reasons.append(PairReason.NUMBERS_DIFFER)


def _name_of(pairs: PairsInput) -> str:
    if isinstance(pairs, CorpusInput):
        return pairs.name
    return pairs if isinstance(pairs, str) else "pairs"
