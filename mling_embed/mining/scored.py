"""Scored pairs of an existing parallel text: the record of one, and the file's whole, in its order."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, overload

import numpy as np

from mling_embed.files import atomic_writer
from mling_embed.languages import UNKNOWN_LANGUAGE
from mling_embed.mining.calibration import Calibration

_BREAKS = str.maketrans({"\t": " ", "\n": " ", "\r": " "})


class Flag(StrEnum):
    """Name what the vectors say against a pair; the filters of a corpus have reasons of their own."""

    LOW_MARGIN = "low-margin"
    BETTER_ELSEWHERE = "better-elsewhere"
    SHIFTED = "shifted"


@dataclass(frozen=True, slots=True)
class ScoredPair:
    """Hold a pair of a parallel text with what was found.

    Attributes:
        score: Its margin among the sentences of the file; `None` where a side cannot be encoded.
        cosine: The cosine of its sides; `None` likewise.
        reasons: What speaks against it: a `Flag`, or a reason of the filters; empty for a good pair.
        language: The language of the other side.
        english: The English side, or what was there of a line that holds no pair.
        other: The other side.
        file: Where it stands.
        line: The line there, from 1.
    """

    score: float | None
    cosine: float | None
    reasons: tuple[str, ...]
    language: str
    english: str
    other: str
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Shift:
    """Hold a block of lines whose translations stand too low or too high.

    Attributes:
        language: The language of the translations.
        file: Where it stands.
        first_line: The first line of the block.
        last_line: Its last line.
        shift: The lines by which the translations stand too low; negative, too high.
    """

    language: str
    file: str
    first_line: int
    last_line: int
    shift: int


@dataclass(frozen=True, slots=True, eq=False)
class ScoredBitext(Sequence[ScoredPair]):
    """Hold every row of a parallel text in its order, scored.

    Attributes:
        pairs: The rows.
        shifts: Blocks that stand too low or too high.
        calibrations: For each language what is expected of the pairs above each margin.
        thresholds: For each language the margin below which a pair is flagged.
    """

    pairs: tuple[ScoredPair, ...]
    shifts: tuple[Shift, ...]
    calibrations: dict[str, Calibration]
    thresholds: dict[str, float]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.pairs)

    @overload
    def __getitem__(self, place: int) -> ScoredPair: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[ScoredPair]: ...
    def __getitem__(self, place: int | slice) -> ScoredPair | Sequence[ScoredPair]:
        """Return a row, or some."""
        return self.pairs[place]

    def worst_first(self) -> list[ScoredPair]:
        """Return the rows by rising score, those without one first."""
        return sorted(self.pairs, key=lambda pair: -np.inf if pair.score is None else pair.score)

    def split(self, min_score: float | None = None) -> tuple[list[ScoredPair], list[ScoredPair]]:
        """Return the rows that stay and the rest: with at least a score, or by default without anything against them.

        A line that holds no pair is never among those that stay.
        """
        kept: list[ScoredPair] = []
        rest: list[ScoredPair] = []
        for pair in self.pairs:
            good = not pair.reasons if min_score is None else pair.score is not None and pair.score >= min_score
            (kept if good else rest).append(pair)
        return kept, rest

    def summary(self) -> dict[str, Any]:
        """Return counts and figures as plain values."""
        reasons = Counter(reason for pair in self.pairs for reason in pair.reasons)
        return {
            "rows": len(self.pairs),
            "flagged": sum(1 for pair in self.pairs if pair.reasons),
            "reasons": dict(sorted(reasons.items())),
            "shifts": [asdict(shift) for shift in self.shifts],
            "languages": {
                language: {
                    "expected_wrong_share": round(calibration.wrong_share, 4),
                    "threshold": round(self.thresholds[language], 6),
                }
                for language, calibration in sorted(self.calibrations.items())
            },
        }


def write_kept(pairs: Sequence[ScoredPair], path: Path) -> None:
    """Write pairs as TSV that ``--pairs`` reads: ``language<TAB>english<TAB>other``, without an unknown language."""
    with_language = all(pair.language != UNKNOWN_LANGUAGE for pair in pairs)
    with atomic_writer(path) as file:
        for pair in pairs:
            cells = (pair.language, pair.english, pair.other)[0 if with_language else 1 :]
            file.write("\t".join(cell.translate(_BREAKS) for cell in cells).encode() + b"\n")


def write_scored(pairs: Sequence[ScoredPair], path: Path) -> None:
    """Write rows as JSON lines, with scores and reasons."""
    with atomic_writer(path) as file:
        for line in scored_lines(pairs):
            file.write(line.encode("utf-8", "backslashreplace") + b"\n")


def scored_lines(pairs: Sequence[ScoredPair]) -> Iterator[str]:
    """Yield rows as JSON."""
    for pair in pairs:
        yield json.dumps(asdict(pair), ensure_ascii=False)
