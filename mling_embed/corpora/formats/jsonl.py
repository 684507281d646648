"""Reader of JSON lines: an object a line, with text under names, or in a struct (``{"translation": {"en": ...}}``)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from mling_embed.corpora.corpus_input import CorpusInput
from mling_embed.corpora.formats import Format, OpenFile
from mling_embed.corpora.lines import Decoding, read_lines
from mling_embed.corpora.named_rows import NamedRow, named_pairs
from mling_embed.corpora.records import Pair, Reason, Reject


def read_jsonl(files: Sequence[OpenFile], source: CorpusInput, decoding: Decoding) -> Iterator[Pair | Reject]:
    """Yield the rows; a line that is no object is `Reason.MALFORMED`."""
    (file,) = files
    yield from named_pairs(_rows(file, source.assumed, decoding), source, where=file.where)


def _rows(file: OpenFile, language: str | None, decoding: Decoding) -> Iterator[NamedRow | Reject]:
    for number, text, reason in read_lines(file.stream, decoding=decoding, where=file.where):
        if reason:
            yield Reject(reason, text, language, number)
            continue
        try:
            row = json.loads(text)
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict):
            yield NamedRow(number, row, text)
        else:
            yield Reject(Reason.MALFORMED, text, language, number)


FORMAT = Format("jsonl", read_jsonl, suffixes=(".jsonl", ".ndjson"), in_columns=True)
