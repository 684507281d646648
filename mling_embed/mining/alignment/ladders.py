"""Files of alignments: ladders with every link, and TSV, Moses, TMX and JSON lines with the pairs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from mling_embed.errors import UsageError
from mling_embed.files import atomic_writer
from mling_embed.mining.alignment.links import Link
from mling_embed.mining.outputs import OutputFormat, PairOfTexts, column_names, write_pairs


class AlignedFormat(StrEnum):
    """Name how an alignment is written; a ladder holds every link, the others the pairs."""

    LADDER = "ladder"
    TSV = "tsv"
    MOSES = "moses"
    TMX = "tmx"
    JSONL = "jsonl"


class Written(NamedTuple):
    """Hold what is written of two aligned documents: their name, their languages, all links, and the pairs."""

    name: str
    languages: tuple[str, str]
    links: Sequence[Link]
    pairs: Iterable[PairOfTexts]


_SUFFIXES = {
    ".ladder": AlignedFormat.LADDER,
    ".tsv": AlignedFormat.TSV,
    ".txt": AlignedFormat.TSV,
    ".moses": AlignedFormat.MOSES,
    ".tmx": AlignedFormat.TMX,
    ".jsonl": AlignedFormat.JSONL,
    ".ndjson": AlignedFormat.JSONL,
}


def aligned_format_of(path: Path) -> AlignedFormat:
    """Return the format that a file's suffix names.

    Raises:
        UsageError: It names none, or there is a folder.
    """
    if path.is_dir():
        raise UsageError("is a folder, expected a file.", where=path, next_step=f"Give {path / 'aligned.tsv'}.")
    if path.suffix.lower() not in _SUFFIXES:
        raise UsageError(
            f"alignments are not written as '{path.suffix}'.",
            where=path,
            next_step=f"Use one of {' '.join(_SUFFIXES)}.",
        )
    return _SUFFIXES[path.suffix.lower()]


def ladder_lines(links: Iterable[Link]) -> Iterator[str]:
    """Yield every link as vecalign writes it, ``[0]:[1, 2]:cost``, with 1 - score as its cost and 0 for a skip.

    >>> list(ladder_lines([Link((0,), (1, 2), 0.75), Link((), (3,))]))
    ['[0]:[1, 2]:0.250000', '[]:[3]:0.000000']
    """
    for link in links:
        cost = max(1 - link.score, 0.0) if link.is_translated else 0.0
        yield f"{list(link.source)}:{list(link.target)}:{cost:.6f}"


def aligned_record(pair: PairOfTexts, *, languages: tuple[str, str], document: str | None = None) -> dict[str, Any]:
    """Return a pair as plain values: its score, both sides under their languages, and the ids of their sentences."""
    source, target = column_names(languages)
    sides = {source: pair.source, target: pair.target}
    ids = {f"{source}_ids": list(pair.source_ids), f"{target}_ids": list(pair.target_ids)}
    return {"score": pair.score, **sides, **ids, **({} if document is None else {"document": document})}


def write_aligned(
    documents: Sequence[Written], path: Path, *, format: AlignedFormat | None = None, with_ids: bool = False
) -> list[Path]:
    """Write aligned documents one after the other into one file, whole or not at all, and return the files.

    Raises:
        UsageError: The suffix names no format, the languages differ between documents, or several share a ladder.
    """
    format = format or aligned_format_of(path)
    languages = sorted({each.languages for each in documents})
    if len(languages) != 1:
        found = ", ".join("-".join(both) for both in languages) or "none"
        raise UsageError(
            f"documents of the languages {found} for one file, expected those of two.",
            where=path,
            next_step="Name the languages, as in FOLDER:de, or give --out a folder.",
        )
    if format is AlignedFormat.LADDER and len(documents) > 1:
        raise UsageError("a ladder holds one pair of documents.", where=path, next_step="Give --out a folder.")
    if format not in (AlignedFormat.LADDER, AlignedFormat.JSONL):
        pairs = (pair for each in documents for pair in each.pairs)
        return write_pairs(pairs, path, languages=languages[0], format=OutputFormat(format), with_ids=with_ids)
    with atomic_writer(path) as file:
        for each in documents:
            if format is AlignedFormat.LADDER:
                lines: Iterable[str] = ladder_lines(each.links)
            else:
                named = each.name if len(documents) > 1 else None
                records = (aligned_record(pair, languages=languages[0], document=named) for pair in each.pairs)
                lines = (json.dumps(record, ensure_ascii=False) for record in records)
            for line in lines:
                file.write(line.encode() + b"\n")
    return [path]
