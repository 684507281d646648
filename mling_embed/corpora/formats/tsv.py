"""Reader of tab-separated text: a tab always separates; quotes are text, unless a spreadsheet wrote them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from mling_embed.corpora.cell_rows import Row, cell_pairs
from mling_embed.corpora.columns import SAMPLED
from mling_embed.corpora.corpus_input import CorpusInput
from mling_embed.corpora.formats import Format, OpenFile
from mling_embed.corpora.lines import Decoding, Line, read_lines
from mling_embed.corpora.quoted_rows import are_quoted, quoted_rows
from mling_embed.corpora.records import Pair, Reject


def read_tsv(files: Sequence[OpenFile], source: CorpusInput, decoding: Decoding) -> Iterator[Pair | Reject]:
    """Yield the rows of tab-separated lines; one with another number of cells than the first is malformed.

    One column alone is English without translations, unless the input has a language.
    """
    (file,) = files
    lines = read_lines(file.stream, decoding=decoding, where=file.where)
    sampled = list(islice(lines, SAMPLED))
    quoted = are_quoted(sampled, "\t")
    every = chain(sampled, lines)
    rows = quoted_rows(every, "\t", language=source.assumed) if quoted else _plain_rows(every, source.assumed)
    yield from cell_pairs(rows, source, where=file.where, needs_header=False)


def _plain_rows(lines: Iterable[Line], language: str | None) -> Iterator[Row | Reject]:
    for number, text, reason in lines:
        yield Reject(reason, text, language, number) if reason else Row(number, text.split("\t"), text)


FORMAT = Format("tsv", read_tsv, suffixes=(".tsv", ".txt", ".tab"), in_order=True, in_columns=True)
