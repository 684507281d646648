"""Readers on pyarrow and datasets: Parquet files, and data sets of the Hugging Face hub or a local folder."""

from __future__ import annotations

from collections.abc import Iterator
from io import BufferedIOBase
from itertools import chain

from mling_embed.corpora.formats.tabular import column_names, pair_of
from mling_embed.corpora.inputs import CorpusInput
from mling_embed.corpora.records import Pair, Reject
from mling_embed.errors import DamagedFileError, DataError


def read_parquet(stream: BufferedIOBase, source: CorpusInput, *, where: str) -> Iterator[Pair | Reject]:
    """Yield the rows of a Parquet file, some thousands in memory at a time.

    Raises:
        DataError: A column is missing.
        DamagedFileError: It is not a Parquet file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(stream)
    except (pa.ArrowInvalid, OSError) as error:
        raise DamagedFileError(f"not a Parquet file ({error}).", where=where, next_step="Fetch it again.") from error
    names = column_names(source, file.schema_arrow.names, where)
    columns = sorted({name if name in file.schema_arrow.names else name.partition(".")[0] for name in names.values()})
    number = 0
    batches = file.iter_batches(batch_size=8192, columns=columns)
    while True:
        try:
            batch = next(batches, None)
        except (pa.ArrowException, OSError) as error:
            raise DamagedFileError(
                f"damaged ({error}).", where=f"{where}:{number + 1}", next_step="Fetch it again."
            ) from error
        if batch is None:
            return
        for row in batch.to_pylist():
            number += 1
            yield pair_of(row, names, source.language, number)


def read_dataset(source: CorpusInput) -> Iterator[Pair | Reject]:
    """Yield the rows of a Hugging Face data set, streamed or from its local copy.

    Raises:
        DataError: It cannot be reached or read, or a column is missing.
    """
    import datasets

    where = str(source.dataset)
    try:
        rows = datasets.load_dataset(
            where, source.config, split=source.split, revision=source.revision, streaming=source.streaming
        )
        iterator = iter(rows)
        first = next(iterator, None)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise DataError(
            f"the data set cannot be read ({error}).", where=where, next_step="Check its name, config and split."
        ) from error
    if first is None:
        return
    names = column_names(source, first, where)
    for number, row in enumerate(chain((first,), iterator), 1):
        yield pair_of(row, names, source.language, number)
