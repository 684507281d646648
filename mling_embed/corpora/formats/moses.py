"""Reader of two files whose lines correspond, as Moses and OPUS have them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice, zip_longest

from mling_embed.corpora.columns import SAMPLED
from mling_embed.corpora.corpus_input import CorpusInput
from mling_embed.corpora.english_side import Sides, english_side
from mling_embed.corpora.file_names import language_of_side
from mling_embed.corpora.formats import Format, OpenFile
from mling_embed.corpora.lines import Decoding, Line, read_lines
from mling_embed.corpora.records import Pair, Reject
from mling_embed.errors import DataError
from mling_embed.languages import ENGLISH, language_code


def read_moses(files: Sequence[OpenFile], source: CorpusInput, decoding: Decoding) -> Iterator[Pair | Reject]:
    """Yield the pairs of two files, the English one first.

    Raises:
        DataError: One file has more lines than the other (both counts are named), or neither is English.
    """
    lines = [read_lines(file.stream, decoding=decoding, where=file.where) for file in files]
    sampled = [list(islice(side, SAMPLED)) for side in lines]
    ours, theirs = (chain(some, side) for some, side in zip(sampled, lines, strict=True))
    english, other = files
    if _swapped(files, sampled, source):
        (ours, theirs), (english, other) = (theirs, ours), (other, english)
    for number, (one, two) in enumerate(zip_longest(ours, theirs), 1):
        if one is None or two is None:
            rest = number + sum(1 for _ in ours) + sum(1 for _ in theirs)
            counts = (number - 1, rest) if one is None else (rest, number - 1)
            raise DataError(
                f"{counts[0]:,} lines, but {other.where} has {counts[1]:,}: the two must correspond line by line.",
                where=english.where,
                next_step="Fetch both again, or align them.",
            )
        yield _joined(one, two, source.assumed)


def _swapped(files: Sequence[OpenFile], sampled: Sequence[Sequence[Line]], source: CorpusInput) -> bool:
    """Tell whether the second file is the English one: as the names say, else by a look at both."""
    named = [language_of_side(file.where) for file in files]
    english = [name is not None and language_code(name) == ENGLISH for name in named]
    if english[0] != english[1]:
        return english[1]
    first, second = ([line.text for line in side] for side in sampled)
    sides = english_side(first, second, language=source.assumed)
    if sides is Sides.NEITHER:
        raise DataError(
            f"not English, as far as {len(first)} line(s) show; nor is {files[1].where}.",
            where=files[0].where,
            next_step="Give the English file first, as ENGLISH,OTHER:LANGUAGE, and call it FILE.en.",
        )
    return sides is Sides.SWAPPED


def _joined(ours: Line, theirs: Line, language: str | None) -> Pair | Reject:
    reason = ours.reason or theirs.reason
    if reason:
        return Reject(reason, f"{ours.text}\t{theirs.text}", language, ours.number)
    return Pair(ours.text, theirs.text, language, ours.number)


FORMAT = Format("moses", read_moses, files=2, in_order=True)
