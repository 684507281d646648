"""Data sets of the Hugging Face hub, from local folders."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from reading import rows, write

from mling_embed.corpora.corpus_input import CorpusInput
from mling_embed.corpora.records import Pair
from mling_embed.errors import DataError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))


def dataset(folder: Path, *, streaming: bool = True) -> CorpusInput:
    return CorpusInput(format="huggingface", dataset=str(folder), language="de", streaming=streaming)


@pytest.mark.parametrize("streaming", [True, False])
def test_rows(streaming: bool, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    pq.write_table(pa.table({"english": ["Hi", "Bye"], "non_english": ["Hallo", "Ciao"]}), folder / "train.parquet")
    assert rows(dataset(folder, streaming=streaming)) == [Pair("Hi", "Hallo", "de", 1), Pair("Bye", "Ciao", "de", 2)]


def test_one_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the data set cannot be read"):
        rows(dataset(tmp_path / "none"))


def test_a_loading_script_is_told(tmp_path: Path) -> None:
    write(tmp_path / "old" / "old.py", "")
    with pytest.raises(DataError, match="it is a loading script, and datasets 4 and later run none"):
        rows(dataset(tmp_path / "old"))


def test_columns_that_change_in_a_later_file_are_told(tmp_path: Path) -> None:
    write(tmp_path / "drift" / "train-0.jsonl", '{"english":"A day.","other":"Ein Tag."}\n')
    write(tmp_path / "drift" / "train-1.jsonl", '{"english":"B day.","other":"Noch ein Tag.","score":0.9}\n')
    with pytest.raises(DataError, match=r"drift: the data set cannot be read \(.*\)\. 1 row\(s\) came before"):
        rows(dataset(tmp_path / "drift"))
