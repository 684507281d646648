"""`Alignment`: two documents with their links, as pairs of texts and in files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mling_embed.mining.alignment.documents import Document
from mling_embed.mining.alignment.ladders import AlignedFormat, Written, write_aligned
from mling_embed.mining.alignment.links import Link, aligned_share


@dataclass(frozen=True, slots=True)
class AlignedPair:
    """Hold a run of source sentences and its translation as texts.

    Attributes:
        score: The link's.
        source: The source sentences, joined.
        target: The target sentences, joined.
        source_ids: The ids of the source sentences.
        target_ids: The ids of the target sentences.
    """

    score: float
    source: str
    target: str
    source_ids: tuple[str, ...]
    target_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Alignment:
    """Hold two documents and all their links, in order.

    Attributes:
        source: One document.
        target: The other.
        links: Every sentence of both stands in one of them; numbers count all sentences that were read, from 0.
        min_score: The score below which links are not given as pairs.
    """

    source: Document
    target: Document
    links: tuple[Link, ...]
    min_score: float | None = None

    def __len__(self) -> int:
        """Return the number of pairs."""
        return sum(1 for link in self.links if self._is_given(link))

    def __iter__(self) -> Iterator[AlignedPair]:
        """Yield the pairs in the documents' order."""
        ours, theirs = _Texts(self.source), _Texts(self.target)
        for link in self.links:
            if self._is_given(link):
                (source, source_ids), (target, target_ids) = ours.of(link.source), theirs.of(link.target)
                yield AlignedPair(link.score, source, target, source_ids, target_ids)

    @property
    def languages(self) -> tuple[str, str]:
        """Return the languages of both documents."""
        return self.source.language, self.target.language

    @property
    def share(self) -> float:
        """Return the share of both documents' sentences that stand in pairs."""
        return aligned_share(self.links, min_score=float("-inf") if self.min_score is None else self.min_score)

    def write(self, path: str | Path, *, format: AlignedFormat | None = None, with_ids: bool = False) -> list[Path]:
        """Write the pairs, or all links as a ladder, in the format that the suffix names; return the files."""
        return write_aligned([self.written()], Path(path), format=format, with_ids=with_ids)

    def written(self) -> Written:
        """Return what is written of it."""
        return Written(self.source.name, self.languages, self.links, self)

    def summary(self) -> dict[str, Any]:
        """Return the counts of the alignment as plain values."""
        shapes = Counter(f"{len(link.source)}:{len(link.target)}" for link in self.links)
        sides = []
        for side in (self.source, self.target):
            rejected = Counter(str(each.reason) for each in side.rejected)
            counts = {"read": side.n_read, "sentences": len(side), "rejected": dict(sorted(rejected.items()))}
            sides.append({"name": side.name, "language": side.language, **counts})
        scores = [link.score for link in self.links if self._is_given(link)]
        return {
            "pairs": len(self),
            "share": round(self.share, 4),
            "mean_score": round(sum(scores) / len(scores), 4) if scores else None,
            "shapes": dict(sorted(shapes.items())),
            "sides": sides,
        }

    def _is_given(self, link: Link) -> bool:
        return link.is_translated and (self.min_score is None or link.score >= self.min_score)


class _Texts:
    """Give the texts and ids of runs of a document's sentences."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._places = {number: place for place, number in enumerate(document.numbers)}

    def of(self, numbers: tuple[int, ...]) -> tuple[str, tuple[str, ...]]:
        places = [self._places[number] for number in numbers]
        text = self._document.joint.join(self._document.sentences[place] for place in places)
        return text, tuple(self._document.ids[place] for place in places)
