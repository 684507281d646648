"""Gold alignments: ladders read from files, and strict and lax precision, recall and F1 against them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mling_embed.corpora.archives import open_plain
from mling_embed.corpora.lines import Decoding, read_lines
from mling_embed.errors import DataError
from mling_embed.mining.alignment.links import Link

_RUN = r"\[\s*((?:\d+\s*(?:,\s*\d+\s*)*)?)\]"
_LINE = re.compile(rf"\s*{_RUN}\s*:\s*{_RUN}\s*(?::\s*[-+.\deE]*\s*)?")


@dataclass(frozen=True, slots=True)
class Agreement:
    """Hold how links agree with gold links, over all documents.

    Attributes:
        precision: The share of links that are gold links. Links with one side empty count.
        recall: The share of gold links with both sides that are found.
        f1: Their harmonic mean.
    """

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class GoldScores:
    """Hold the agreement with gold links.

    Attributes:
        strict: A link counts if it is a gold link.
        lax: A link counts if it shares a sentence on both sides with one gold link.
    """

    strict: Agreement
    lax: Agreement

    def as_json(self) -> dict[str, dict[str, float]]:
        """Return the figures as plain values."""
        return asdict(self)


def read_ladder(path: str | Path) -> list[Link]:
    """Read a ladder: ``[0]:[1, 2]`` a line, sentences from 0, with or without a cost after it.

    Raises:
        DataError: There is no such file, or a line is no link.
    """
    path, links = Path(path), []
    with open_plain(path) as stream:
        for number, text, _ in read_lines(stream, decoding=Decoding.STRICT, where=path):
            if not text.strip():
                continue
            match = _LINE.fullmatch(text)
            if match is None:
                raise DataError(
                    f"'{text[:60]}' is no link.",
                    where=f"{path}:{number}",
                    next_step="Write '[0]:[1, 2]': sentences of the one side and of the other, from 0.",
                )
            ours, theirs = (tuple(map(int, re.findall(r"\d+", side))) for side in match.groups())
            links.append(Link(ours, theirs))
    if not links:
        raise DataError("holds no link.", where=path, next_step="Write '[0]:[1, 2]' lines.")
    return links


def gold_scores(documents: Iterable[tuple[Sequence[Link], Sequence[Link]]]) -> GoldScores:
    """Score links against gold links, the counts of all documents together.

    As vecalign does: every link counts in precision, those with one side empty too; in recall only gold links with both
    sides. A link with one side empty can be right strictly, never laxly alone.

    Args:
        documents: Of each its links and its gold links.

    >>> found, gold = [Link((0,), (0,)), Link((1,), (1, 2))], [Link((0,), (0,)), Link((1,), (1,)), Link((), (2,))]
    >>> scores = gold_scores([(found, gold)])
    >>> scores.strict, scores.lax.f1
    (Agreement(precision=0.5, recall=0.5, f1=0.5), 1.0)
    """
    found, recalled = [0, 0, 0], [0, 0, 0]  # links, strictly right, laxly right
    for links, gold in documents:
        ours, theirs = _distinct(links), _distinct(gold)
        _count(ours, theirs, found)
        _count({each for each in theirs if all(each)}, {each for each in ours if all(each)}, recalled)
    return GoldScores(*(_agreement(found, recalled, right) for right in (1, 2)))


_Sides = tuple[tuple[int, ...], tuple[int, ...]]


def _distinct(links: Sequence[Link]) -> set[_Sides]:
    return {(link.source, link.target) for link in links if link.source or link.target}


def _count(links: set[_Sides], gold: set[_Sides], counts: list[int]) -> None:
    together = {(one, other) for source, target in gold for one in source for other in target}
    for link in links:
        strict = link in gold
        lax = strict or any((one, other) in together for one in link[0] for other in link[1])
        for place, count in enumerate((1, strict, lax)):
            counts[place] += count


def _agreement(found: list[int], recalled: list[int], right: int) -> Agreement:
    precision, recall = (counts[right] / counts[0] if counts[0] else 0.0 for counts in (found, recalled))
    return Agreement(precision, recall, 2 * precision * recall / (precision + recall) if precision + recall else 0.0)
