"""Mined pairs: the sequence of all, best first, with what is known of the mining."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, overload

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from mling_embed.metrics.bucc import BuccScores
from mling_embed.mining.calibration import Calibration
from mling_embed.mining.mined_pair import MinedPair
from mling_embed.mining.outputs import OutputFormat, write_pairs
from mling_embed.mining.pair_filters import PairReason
from mling_embed.mining.sentences import Sentences
from mling_embed.neighbors.approximate import Approximation
from mling_embed.neighbors.selection import ScoredPairs

_BATCH = 4096


@dataclass(frozen=True, slots=True, eq=False)
class MinedPairs(Sequence[MinedPair]):
    """Hold all pairs of a mining, best first; texts are read when a pair is asked for.

    Attributes:
        source: The distinct sentences of one side, with what became of its rows.
        target: Those of the other side; the same where paraphrases were mined.
        scored: Rows, cosines and margins.
        forward_ranks: As `MinedPair` has them, 0 for `None`. Shape: (n_pairs,).
        backward_ranks: As `MinedPair` has them, 0 for `None`. Shape: (n_pairs,).
        threshold: The margin from which pairs were taken; `None` for all.
        calibration: What is expected of the pairs above each margin; `None` where nothing could be told.
        bucc: How the pairs compare with the gold pairs, where there are some.
        approximation: How much of the neighbors may be missing; `None` where the search was exact.
        rejected: Pairs that were selected, and left out by a filter, by reason.
    """

    source: Sentences
    target: Sentences
    scored: ScoredPairs
    forward_ranks: Int64[ndarray, " n_pairs"]
    backward_ranks: Int64[ndarray, " n_pairs"]
    threshold: float | None = None
    calibration: Calibration | None = None
    bucc: BuccScores | None = None
    approximation: Approximation | None = None
    rejected: Counter[PairReason] = field(default_factory=Counter)

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.scored)

    @overload
    def __getitem__(self, place: int) -> MinedPair: ...
    @overload
    def __getitem__(self, place: slice) -> list[MinedPair]: ...
    def __getitem__(self, place: int | slice) -> MinedPair | list[MinedPair]:
        """Return a pair, or a list of pairs."""
        if isinstance(place, slice):
            return self._pairs(np.arange(len(self))[place])
        if not -len(self) <= place < len(self):
            raise IndexError(f"pair {place} of {len(self)}")
        return self._pairs(np.array([place % len(self)]))[0]

    def __iter__(self) -> Iterator[MinedPair]:
        """Yield the pairs, best first."""
        for start in range(0, len(self), _BATCH):
            yield from self._pairs(np.arange(start, min(start + _BATCH, len(self))))

    def write(self, path: str | Path, *, format: OutputFormat | None = None, with_ids: bool = False) -> list[Path]:
        """Write the pairs, in the format that the suffix names; return the files."""
        languages = self.source.language, self.target.language
        return write_pairs(self, Path(path), languages=languages, format=format, with_ids=with_ids)

    def summary(self) -> dict[str, Any]:
        """Return the counts and figures of the mining as plain values."""
        sides = [self.source] if self.source is self.target else [self.source, self.target]
        expected = self.calibration
        threshold = -np.inf if self.threshold is None else self.threshold
        return {
            "pairs": len(self),
            "threshold": self.threshold,
            "expected_precision": None if expected is None else round(expected.precision_at(threshold), 4),
            "search": None if self.approximation is None else asdict(self.approximation),
            "gold": None if self.bucc is None else _gold_record(self.bucc),
            "pairs_rejected": {str(reason): count for reason, count in sorted(self.rejected.items())},
            "sides": [{"language": side.language, **side.counts.as_json()} for side in sides],
        }

    def _pairs(self, places: Int64[ndarray, " n"]) -> list[MinedPair]:
        source, target = self.scored.source[places], self.scored.target[places]
        sides = (self.source.texts(source), self.target.texts(target), self.source.ids(source), self.target.ids(target))
        figures = (self.scored.cosines[places].tolist(), (places + 1).tolist())
        ranks = [[rank or None for rank in side[places].tolist()] for side in (self.forward_ranks, self.backward_ranks)]
        return list(map(MinedPair, self.scored.margins[places].tolist(), *sides, *figures, *ranks))


def _gold_record(scores: BuccScores) -> dict[str, Any]:
    counts = {"n_mined": scores.n_mined, "n_gold": scores.n_gold, "n_correct": scores.n_correct}
    return {**counts, "precision": scores.precision, "recall": scores.recall, "f1": scores.f1}
