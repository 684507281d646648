"""Reader of sentences without translations, one a line: English ones, or of the input's language."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mling_embed.corpora.corpus_input import LINES, CorpusInput
from mling_embed.corpora.formats import Format, OpenFile
from mling_embed.corpora.lines import Decoding, read_lines
from mling_embed.corpora.records import Pair, Reject


def read_sentences(files: Sequence[OpenFile], source: CorpusInput, decoding: Decoding) -> Iterator[Pair | Reject]:
    """Yield each line as a sentence without a translation."""
    (file,) = files
    for number, text, reason in read_lines(file.stream, decoding=decoding, where=file.where):
        yield Reject(reason, text, None, number) if reason else Pair(text, None, None, number)


FORMAT = Format(LINES, read_sentences)
