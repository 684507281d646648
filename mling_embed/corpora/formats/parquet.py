"""Reader of Parquet files, some thousands of rows in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mling_embed.corpora.archives import seekable
from mling_embed.corpora.corpus_input import CorpusInput
from mling_embed.corpora.foreign_errors import foreign_errors
from mling_embed.corpora.formats import Format, OpenFile
from mling_embed.corpora.lines import Decoding
from mling_embed.corpora.named_rows import NamedRow, named_pairs
from mling_embed.corpora.records import Pair, Reject

_ROWS = 8192


def read_parquet(files: Sequence[OpenFile], source: CorpusInput, decoding: Decoding) -> Iterator[Pair | Reject]:
    """Yield the rows of a Parquet file; one in an archive or compressed is unpacked into a temporary file first.

    Raises:
        DataError: A column is missing.
        DamagedFileError: It is not a Parquet file, or it is damaged.
    """
    import pyarrow.parquet as pq

    (file,) = files
    with seekable(file.stream) as stream:
        with foreign_errors(file.where, "not a Parquet file"):
            table = pq.ParquetFile(stream)
        fields = [field for field in table.schema_arrow if _is_text(field.type)]
        present = [path for field in fields for path in _paths(field)]
        rows = _rows(table, [field.name for field in fields], file.where)
        yield from named_pairs(rows, source, where=file.where, present=present)


def _is_text(kind: Any) -> bool:
    """Tell whether a column can hold text: strings, and structs of them."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_struct(kind))


def _paths(field: Any) -> list[str]:
    """Return a column's name, or the paths of a struct's parts."""
    import pyarrow as pa

    return [f"{field.name}.{inner.name}" for inner in field.type] if pa.types.is_struct(field.type) else [field.name]


def _rows(table: Any, columns: list[str], where: str) -> Iterator[NamedRow | Reject]:
    number, batches = 0, table.iter_batches(batch_size=_ROWS, columns=columns)
    while True:
        with foreign_errors(f"{where}:{number + 1}", "damaged"):
            batch = next(batches, None)
            rows = [] if batch is None else batch.to_pylist()
        if batch is None:
            return
        for row in rows:
            number += 1
            yield NamedRow(number, row)


FORMAT = Format("parquet", read_parquet, suffixes=(".parquet",), in_columns=True)
