"""Parquet: columns, structs, damage, and files inside archives."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from reading import pairs, rows, write

from mling_embed.corpora.records import Pair, Reason, Reject
from mling_embed.errors import DamagedFileError, DataError


def test_columns_and_rows_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"lang": ["de", "fr"], "en": ["Hi", "Hi"], "target": ["Hallo", None], "n": [1, 2]}), path)
    read = rows(str(path))
    assert read[0] == Pair("Hi", "Hallo", "de", 1)
    assert isinstance(read[1], Reject)
    assert (read[1].reason, read[1].language, read[1].line) == (Reason.MALFORMED, "fr", 2)
    with pytest.raises(DamagedFileError, match="not a Parquet file"):
        rows(f"{write(tmp_path / 'b.parquet', 'no')}:de")
    with pytest.raises(DataError, match="no column n; there are lang, en, target"):
        rows(f"{path}:de,english=n,other=target")


def test_structs_inside_archives_and_compression(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    pq.write_table(pa.table({"translation": [{"en": "A day.", "de": "Ein Tag."}] * 3}), path)
    expected = [("A day.", "Ein Tag.", "de")] * 3
    (tmp_path / "b.parquet.gz").write_bytes(gzip.compress(path.read_bytes()))
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.write(path, "data/train.parquet")
    for word in (
        str(path),
        f"{tmp_path / 'b.parquet.gz'}:de",
        f"{tmp_path / 'c.zip'}!*.parquet:de",
        f"{tmp_path / 'c.zip'}",
    ):
        assert pairs(word) == expected


def test_a_file_that_is_damaged_inside(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    texts = [f"text {n}" for n in range(100)]
    pq.write_table(pa.table({"en": texts, "target": texts}), path, compression="zstd", use_dictionary=False)
    data = bytearray(path.read_bytes())
    data[4:200] = bytes(196)
    path.write_bytes(data)
    with pytest.raises(DamagedFileError, match=r"a\.parquet:1: damaged \("):
        rows(f"{path}:de")
