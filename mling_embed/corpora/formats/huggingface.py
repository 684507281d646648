"""Reader of data sets of the Hugging Face hub, or of their local folders, by the library datasets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mling_embed.corpora.corpus_input import CorpusInput
from mling_embed.corpora.foreign_errors import foreign_errors
from mling_embed.corpora.formats import Format, OpenFile
from mling_embed.corpora.lines import Decoding
from mling_embed.corpora.named_rows import NamedRow, named_pairs
from mling_embed.corpora.records import Pair, Reject
from mling_embed.errors import DataError


def read_dataset(files: Sequence[OpenFile], source: CorpusInput, decoding: Decoding) -> Iterator[Pair | Reject]:
    """Yield the rows of a data set, streamed or from its local copy.

    Raises:
        DataError: It cannot be reached or read, or a column is missing.
    """
    where = str(source.dataset)
    yield from named_pairs(_rows(source, where), source, where=where)


def _rows(source: CorpusInput, where: str) -> Iterator[NamedRow]:
    number, rows = 0, None
    while True:
        advice = "Check its name, config and split."
        if number:
            advice = f"{number:,} row(s) came before: do its files differ in their columns? Give them one by one."
        with foreign_errors(where, "the data set cannot be read", kind=DataError, next_step=advice):
            rows = _opened(source, where) if rows is None else rows
            row = next(rows, None)
        if row is None:
            return
        number += 1
        yield NamedRow(number, row)


def _opened(source: CorpusInput, where: str) -> Iterator[dict[str, Any]]:
    import datasets

    try:
        loaded: Any = datasets.load_dataset(
            where, source.config, split=source.split, revision=source.revision, streaming=source.streaming
        )
    except RuntimeError as error:
        if "script" not in str(error):
            raise
        raise DataError(
            "the data set cannot be read (it is a loading script, and datasets 4 and later run none).",
            where=where,
            next_step="Save its rows as Parquet or JSON lines, and give these.",
        ) from error
    return iter(loaded)


FORMAT = Format("huggingface", read_dataset, files=0)
