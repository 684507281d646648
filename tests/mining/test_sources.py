"""Sources: lines with and without ids, JSON lines, Parquet, folders, compressed files, and what is none of them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from mling_embed.corpora.records import Reason, Reject
from mling_embed.errors import DamagedFileError, DataError, MlingEmbedError, UsageError
from mling_embed.mining.sources import Layout, Sentence, read_sentences, sentence_source


def rows_of(given: object, **options: object) -> list[tuple[str, str] | Reason]:
    found = []
    for _, row in read_sentences(sentence_source(given, **options)):
        found.append(row.reason if isinstance(row, Reject) else (row.id, row.text))
    return found


def test_a_list_has_its_places_as_ids() -> None:
    assert rows_of(["a", "", "b"]) == [("0", "a"), ("1", ""), ("2", "b")]


def test_lines_keep_every_character(tmp_path: Path) -> None:
    path = tmp_path / "x.de"
    path.write_bytes("\ufeffeins\r\nzwei\u2028zwei\rhalb\n\nohne Ende".encode())
    assert rows_of(path) == [("1", "eins"), ("2", "zwei\u2028zwei\rhalb"), ("3", ""), ("4", "ohne Ende")]


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_compressed_lines_with_ids(tmp_path: Path, pack: object) -> None:
    path = tmp_path / ("x.en.gz" if pack is gzip.compress else "x.en.zst")
    path.write_bytes(pack(b"en-1\tone\nen-2\ttwo\nno tab\n\nen-4\t\n"))
    assert sentence_source(path).language == "en"
    assert rows_of(path, layout=Layout.ID_TEXT) == [
        ("en-1", "one"),
        ("en-2", "two"),
        Reason.MALFORMED,
        Reason.EMPTY,
        ("en-4", ""),
    ]


def test_ids_are_told_from_text(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("a1\tone one\na2\ttwo\n")
    assert rows_of(path) == [("a1", "one one"), ("a2", "two")]
    assert rows_of(path, layout=Layout.TEXT) == [("1", "a1\tone one"), ("2", "a2\ttwo")]


@pytest.mark.parametrize("text", ["a\tone\na\ttwo\n", "a b\tone\nc d\ttwo\n", "1\tone\tmore\n2\ttwo\tmore\n"])
def test_tabs_that_are_no_ids_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.txt").write_text(text)
    with pytest.raises(DataError, match=r"x\.txt: its lines have tabs, but are not 'id<TAB>text'.*--layout text"):
        rows_of(tmp_path / "x.txt")


def test_json_lines_and_parquet(tmp_path: Path) -> None:
    records = [{"id": 7, "text": "a\tb\nc"}, {"id": "x", "text": "d"}]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(each) + "\n" for each in records) + "[1]\n{\n")
    assert rows_of(tmp_path / "x.jsonl") == [("7", "a b c"), ("x", "d"), Reason.MALFORMED, Reason.MALFORMED]
    pq.write_table(pa.table({"de": ["eins", None], "key": [1, 2]}), tmp_path / "x.parquet")
    assert rows_of(f"{tmp_path / 'x.parquet'}:de") == [("1", "eins"), Reason.MALFORMED]
    assert rows_of(tmp_path / "x.parquet", columns=("de", "key"))[0] == ("1", "eins")


def test_a_folder_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name, text in (("b.de", "zwei\n"), ("a.de", "eins\n"), ("deep/c.de.gz", None), (".hidden", "no\n")):
        if text is None:
            (tmp_path / name).write_bytes(gzip.compress(b"x1\tdrei\nx2\tvier\n"))
        else:
            (tmp_path / name).write_text(text)
    source = sentence_source(tmp_path)
    assert (source.language, [path.name for path in source.paths]) == ("de", ["a.de", "b.de", "c.de.gz"])
    assert rows_of(tmp_path) == [("a.de:1", "eins"), ("b.de:1", "zwei"), ("x1", "drei"), ("x2", "vier")]


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("x.de", "de"),
        ("de-en.de", "de"),
        ("x.zh.zst", "zh"),
        ("x.txt", "und"),
        ("x.de.txt", "de"),
        ("x.tsv", "und"),
        ("dev.txt", "und"),
        ("x.dev", "und"),
        ("deu_Latn", "de"),
        ("x.pt_BR", "pt"),
    ],
)
def test_the_language_of_a_name(tmp_path: Path, name: str, language: str) -> None:
    (tmp_path / name).write_bytes(b"")
    assert sentence_source(tmp_path / name).language == language
    assert sentence_source(f"{tmp_path / name}:fr").language == "fr"
    assert sentence_source(tmp_path / name, language="ja").language == "ja"


def write(path: Path, data: bytes = b"a\n") -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda at: at / "no.txt", DataError, r"no\.txt: no such file"),
        (lambda at: write(at / "d" / ".x").parent, DataError, "no files in this folder"),
        (lambda at: write(at / "x.zip"), UsageError, "is an archive.*Unpack it"),
        (lambda at: write(at / "x.csv"), UsageError, "a side of a mining is sentences"),
        (lambda at: write(at / "x.tmx"), UsageError, "a side of a mining is sentences"),
        (lambda at: write(at / "x.txt.gz", b"no gzip"), DamagedFileError, "Not a gzipped file"),
        (lambda at: write(at / "x.txt.gz", gzip.compress(b"text " * 999)[:40]), DamagedFileError, "damaged or cut"),
        (lambda at: write(at / "x.parquet", b"PAR1"), DamagedFileError, "not a Parquet file"),
        (lambda at: write(at / "x.parquet.gz", gzip.compress(b"")), UsageError, "a compressed Parquet file"),
        (lambda at: write(at / "x.jsonl", b'{"txt": "a"}\n'), DataError, r"x\.jsonl:1: no column text; there are txt"),
        (lambda at: f"{write(at / 'x.txt')}:xyzzy9", UsageError, "'xyzzy9' is not a language code"),
    ],
)
def test_bad_input(tmp_path: Path, make: object, error: type[MlingEmbedError], match: str) -> None:
    with pytest.raises(error, match=match):
        rows_of(make(tmp_path))


@pytest.mark.parametrize(
    ("data", "reason"), [(b"caf\xe9\n", Reason.UNDECODABLE), (b"x" * ((1 << 20) + 2) + b"\n", Reason.TOO_LONG)]
)
def test_lines_that_cannot_be_used_are_told_of(tmp_path: Path, data: bytes, reason: Reason) -> None:
    assert rows_of(write(tmp_path / "x.txt", data + b"good\n")) == [reason, ("2", "good")]


@pytest.mark.usefixtures("unchecked_types")
def test_a_text_that_is_none() -> None:
    with pytest.raises(UsageError, match="text 1 is a int, expected a string"):
        sentence_source(["a", 3])


def test_sources_pass_through() -> None:
    source = sentence_source(["a"], language="deu")
    assert sentence_source(source) is source
    assert source.language == "de"
    assert next(read_sentences(source)) == ("texts", Sentence("0", "a", 0))
