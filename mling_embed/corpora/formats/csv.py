"""Reader of CSV as spreadsheets save it: commas, semicolons, tabs or bars, quotes as RFC 4180 has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice

from mling_embed.corpora.cell_rows import cell_pairs
from mling_embed.corpora.columns import SAMPLED
from mling_embed.corpora.corpus_input import CorpusInput
from mling_embed.corpora.formats import Format, OpenFile
from mling_embed.corpora.lines import Decoding, read_lines
from mling_embed.corpora.quoted_rows import delimiter_of, quoted_rows
from mling_embed.corpora.records import Pair, Reject

_SAID = "sep="  # Excel's own first line


def read_csv(files: Sequence[OpenFile], source: CorpusInput, decoding: Decoding) -> Iterator[Pair | Reject]:
    """Yield the rows; the first names the columns, unless they are given as numbers or it is a row like the others."""
    (file,) = files
    lines = read_lines(file.stream, decoding=decoding, where=file.where)
    sampled = list(islice(lines, SAMPLED))
    delimiter = None
    if sampled and sampled[0].text.lower().startswith(_SAID) and len(sampled[0].text) == len(_SAID) + 1:
        delimiter = sampled.pop(0).text[-1]
    rows = quoted_rows(chain(sampled, lines), delimiter or delimiter_of(sampled), language=source.assumed)
    yield from cell_pairs(rows, source, where=file.where, needs_header=True)


FORMAT = Format("csv", read_csv, suffixes=(".csv",), in_columns=True)
