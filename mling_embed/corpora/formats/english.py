"""Reader of English sentences, one a line, without translations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mling_embed.corpora.corpus_input import CorpusInput
from mling_embed.corpora.formats import Format, OpenFile
from mling_embed.corpora.lines import Decoding, read_lines
from mling_embed.corpora.records import Pair, Reject


def read_english(files: Sequence[OpenFile], source: CorpusInput, decoding: Decoding) -> Iterator[Pair | Reject]:
    """Yield each line as an English sentence without a translation."""
    (file,) = files
    for number, text, reason in read_lines(file.stream, decoding=decoding, where=file.where):
        yield Reject(reason, text, None, number) if reason else Pair(text, None, None, number)


FORMAT = Format("lines", read_english)
