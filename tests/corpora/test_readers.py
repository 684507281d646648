"""Every reader: rows in, pairs and reasons out."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from mling_embed.corpora.inputs import CorpusInput, guess_input
from mling_embed.corpora.lines import Decoding
from mling_embed.corpora.readers import read_input
from mling_embed.corpora.records import Pair, Reason, Reject
from mling_embed.errors import DamagedFileError, DataError, UsageError


def rows(source: CorpusInput, decoding: Decoding = Decoding.QUARANTINE) -> list[Pair | Reject]:
    return [row for _, row in read_input(source, decoding=decoding)]


def write(path: Path, data: str | bytes) -> Path:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def test_tsv(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.tsv", b'Hi\tHallo\r\none "quote\tein "Zitat\nthree\tcells\there\n\xff\tx\nBye\tTsch\xc3\xbcss'
    )
    assert rows(guess_input(f"{path}:deu")) == [
        Pair("Hi", "Hallo", "de", 1),
        Pair('one "quote', 'ein "Zitat', "de", 2),
        Reject(Reason.MALFORMED, "three\tcells\there", "de", 3),
        Reject(Reason.UNDECODABLE, "\\xff\tx", "de", 4),
        Pair("Bye", "Tschüss", "de", 5),
    ]


def test_tsv_with_languages_is_told_by_its_first_column(tmp_path: Path) -> None:
    path = write(tmp_path / "pool.tsv", "de\tHi\tHallo\to\nfr\tHi\tSalut\to\n")
    source = guess_input(str(path))
    assert source.columns == {"language": 0, "english": 1, "other": 2}
    assert rows(source) == [Pair("Hi", "Hallo", "de", 1), Pair("Hi", "Salut", "fr", 2)]


def test_one_column_is_english_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "english.txt", "One.\nTwo.\n")
    assert rows(guess_input(str(path))) == [Pair("One.", None, None, 1), Pair("Two.", None, None, 2)]
    assert rows(CorpusInput(paths=(path,), format="lines"))[1] == Pair("Two.", None, None, 2)


def test_too_few_columns_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "Hi\tHallo\n")
    source = CorpusInput(paths=(path,), columns={"english": 1, "other": 2}, language="de")
    with pytest.raises(DataError, match=r"a\.tsv:1: 2 column\(s\), expected at least 3"):
        rows(source)
    with pytest.raises(UsageError, match="column 'x' of a TSV is not a number"):
        rows(CorpusInput(paths=(path,), columns={"english": "x"}, language="de"))


def test_a_header_names_columns_and_where_chooses_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "split\ten\tde\ntrain\tHi\tHallo\ntest\tNo\tNein\ntrain\tYes\n")
    columns = {"english": "en", "other": "de"}
    source = CorpusInput(paths=(path,), columns=columns, language="de", header=True, where={"split": "train"})
    assert rows(source) == [Pair("Hi", "Hallo", "de", 2), Reject(Reason.MALFORMED, "train\tYes", "de", 4)]
    assert len(rows(CorpusInput(paths=(path,), columns=columns, language="de", header=True))) == 3
    assert rows(CorpusInput(paths=(path,), columns={"english": 1, "other": 2}, language="de", header=True))[0] == Pair(
        "Hi", "Hallo", "de", 2
    )
    for wrong in ({"columns": {"english": "fr"}}, {"columns": columns, "where": {"fr": "x"}}):
        with pytest.raises(DataError, match=r"a\.tsv: no column fr; there are split, en, de"):
            rows(CorpusInput(paths=(path,), language="de", header=True, **wrong))  # type: ignore[arg-type]
    empty = write(tmp_path / "empty.tsv", "")
    assert rows(CorpusInput(paths=(empty,), columns={"english": 0}, header=True)) == []


def test_where_needs_a_header_and_a_header_a_tsv(tmp_path: Path) -> None:
    for wrong in ({"where": {"a": "b"}}, {"header": True, "format": "jsonl"}):
        with pytest.raises(UsageError, match="header is for TSV, and where for TSV with a header"):
            CorpusInput(paths=(tmp_path / "a",), **wrong)  # type: ignore[arg-type]


def test_moses(tmp_path: Path) -> None:
    english, other = write(tmp_path / "n.en", b"One\nTwo\n\xff"), write(tmp_path / "n.de", "Eins\nZwei\nDrei\n")
    expected = [
        Pair("One", "Eins", "de", 1),
        Pair("Two", "Zwei", "de", 2),
        Reject(Reason.UNDECODABLE, "\\xff\tDrei", "de", 3),
    ]
    assert rows(guess_input(f"{english},{other}")) == expected
    assert rows(guess_input(f"{english},{other}:de")) == expected


@pytest.mark.parametrize(("n_english", "n_other"), [(3, 7), (7, 3), (0, 1)])
def test_unequal_moses_sides_name_both_counts(n_english: int, n_other: int, tmp_path: Path) -> None:
    english, other = write(tmp_path / "n.en", "a\n" * n_english), write(tmp_path / "n.de", "b\n" * n_other)
    with pytest.raises(DataError, match=rf"n\.en: {n_english} lines, but .*n\.de has {n_other}"):
        rows(guess_input(f"{english},{other}"))


def test_jsonl(tmp_path: Path) -> None:
    lines = [
        json.dumps({"english": "a\nb", "non_english": "c", "n": 1}),
        "{not json",
        "[1]",
        json.dumps({"english": "a", "non_english": None}),
        "[" * 100_000,
    ]
    path = write(tmp_path / "a.jsonl", "\n".join(lines))
    read = rows(guess_input(f"{path}:de"))
    assert read[0] == Pair("a b", "c", "de", 1)
    assert [(row.line, row.reason) for row in read[1:] if isinstance(row, Reject)] == [
        (number, Reason.MALFORMED) for number in (2, 3, 4, 5)
    ]


def test_jsonl_with_nested_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", json.dumps({"translation": {"en": "Hi", "de": "Hallo"}}))
    columns = {"english": "translation.en", "other": "translation.de"}
    assert rows(CorpusInput(paths=(path,), format="jsonl", language="de", columns=columns)) == [
        Pair("Hi", "Hallo", "de", 1)
    ]
    with pytest.raises(DataError, match="no column of English; there are translation"):
        rows(guess_input(f"{path}:de"))


def test_csv(tmp_path: Path) -> None:
    data = b'\xef\xbb\xbfen,de\r\n"a, ""b""","c\r\nd"\r\nx,y,z\r\n\xff,y\r\n'
    path = write(tmp_path / "a.csv", data)
    read = rows(guess_input(f"{path}:de"))
    assert read == [
        Pair('a, "b"', "c d", "de", 3),
        Reject(Reason.MALFORMED, "x,y,z", "de", 4),
        Reject(Reason.UNDECODABLE, "\\xff,y", "de", 5),
    ]
    with pytest.raises(DataError, match="not UTF-8"):
        rows(guess_input(f"{path}:de"), Decoding.STRICT)


def test_csv_without_header(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "Hi,Hallo\nBye,Ciao\n")
    source = CorpusInput(paths=(path,), format="csv", language="de", columns={"english": 0, "other": 1})
    assert rows(source) == [Pair("Hi", "Hallo", "de", 1), Pair("Bye", "Ciao", "de", 2)]


def test_unbalanced_quote_does_not_swallow_a_csv(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'en,de\n"open,x\n' + "a,b\n" * 10)
    with pytest.raises(DataError, match=r"a\.csv:12: not CSV"):
        rows(guess_input(f"{path}:de"))


def test_parquet(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"lang": ["de", "fr"], "en": ["Hi", "Hi"], "target": ["Hallo", None]}), path)
    read = rows(guess_input(str(path)))
    assert read[0] == Pair("Hi", "Hallo", "de", 1)
    assert isinstance(read[1], Reject)
    assert (read[1].reason, read[1].language, read[1].line) == (Reason.MALFORMED, "fr", 2)
    with pytest.raises(DamagedFileError, match="not a Parquet file"):
        rows(guess_input(f"{write(tmp_path / 'b.parquet', 'no')}:de"))


def test_a_parquet_file_that_is_damaged_inside(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "a.parquet"
    texts = [f"text {n}" for n in range(100)]
    pq.write_table(pa.table({"en": texts, "target": texts}), path, compression="zstd", use_dictionary=False)
    data = bytearray(path.read_bytes())
    data[4:200] = bytes(196)
    path.write_bytes(data)
    with pytest.raises(DamagedFileError, match=r"a\.parquet:1: damaged \("):
        rows(guess_input(f"{path}:de"))


@pytest.mark.parametrize("streaming", [True, False])
def test_hugging_face_dataset(streaming: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "set"
    folder.mkdir()
    pq.write_table(pa.table({"english": ["Hi", "Bye"], "non_english": ["Hallo", "Ciao"]}), folder / "train.parquet")
    source = CorpusInput(format="huggingface", dataset=str(folder), language="de", streaming=streaming)
    assert rows(source) == [Pair("Hi", "Hallo", "de", 1), Pair("Bye", "Ciao", "de", 2)]


def test_hugging_face_dataset_that_is_not_there(tmp_path: Path) -> None:
    source = CorpusInput(format="huggingface", dataset=str(tmp_path / "none"), language="de")
    with pytest.raises(DataError, match="the data set cannot be read"):
        rows(source)


TMX = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4"><header/><body>
<tu><tuv xml:lang="en-US"><seg>Press <bpt i="1">&lt;b&gt;</bpt>OK<ept i="1">&lt;/b&gt;</ept>
now.</seg></tuv><tuv xml:lang="de"><seg>Jetzt OK drücken.</seg></tuv><tuv lang="fr"><seg>OK</seg></tuv></tu>
<tu><tuv xml:lang="de"><seg>Allein</seg></tuv></tu>
</body></tmx>"""


def test_tmx(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tmx", TMX)
    english = "Press OK now."
    assert rows(guess_input(str(path))) == [
        Pair(english, "Jetzt OK drücken.", "de", 1),
        Pair(english, "OK", "fr", 1),
        Reject(Reason.MALFORMED, "\tAllein", None, 2),
    ]
    assert rows(guess_input(f"{path}:fr"))[0] == Pair(english, "OK", "fr", 1)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ('<!DOCTYPE tmx [<!ENTITY a "x"><!ENTITY b "&a;&a;&a;">]><tmx>&b;</tmx>', "defines or asks for entities"),
        ('<!DOCTYPE tmx [<!ENTITY a SYSTEM "file:///etc/passwd">]><tmx>&a;</tmx>', "defines or asks for entities"),
        ("<tmx><body>", "not well-formed XML"),
        ("<html/>", "root element is <html>, expected <tmx>"),
        ("", "not well-formed XML"),
    ],
)
def test_bad_tmx(data: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        rows(guess_input(str(write(tmp_path / "a.tmx", data))))


PO = """msgid ""
msgstr ""
"Language: pt_BR\\n"
"Content-Type: text/plain; charset=UTF-8\\n"

msgid "Open"
msgstr "Abrir"

#, fuzzy
msgid "Close"
msgstr "Perto"

msgid "New"
msgstr ""

msgid "%d file"
msgid_plural "%d files"
msgstr[0] "%d arquivo"
msgstr[1] "%d arquivos"

#~ msgid "Old"
#~ msgstr "Velho"
"""


def test_po(tmp_path: Path) -> None:
    read = rows(guess_input(str(write(tmp_path / "a.po", PO))))
    assert read == [
        Pair("Open", "Abrir", "pt_BR", 6),
        Reject(Reason.FUZZY, "Close\tPerto", "pt_BR", 9),
        Reject(Reason.UNTRANSLATED, "New\t", "pt_BR", 13),
        Pair("%d file", "%d arquivo", "pt_BR", 16),
        Pair("%d files", "%d arquivos", "pt_BR", 16),
        Reject(Reason.OBSOLETE, "Old\tVelho", "pt_BR", 21),
    ]
    with pytest.raises(DataError, match="not a PO catalogue"):
        rows(guess_input(f"{write(tmp_path / 'b.po', 'what is this')}:de"))


def test_members_of_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("deu.txt", "Hi\tHallo\tby X\n")
        archive.writestr("_about.txt", "about")
    read = list(read_input(guess_input(f"{path}!deu.txt:de")))
    assert read == [(f"{path}!deu.txt", Pair("Hi", "Hallo", "de", 1))]


@pytest.mark.parametrize(
    ("word", "message"),
    [("a.doc", "no format goes by the suffix '.doc'"), ("a.tsv:xx-nonsense-yy-zz", "not a language code")],
)
def test_bad_words(word: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        guess_input(word)


def test_bad_inputs() -> None:
    with pytest.raises(UsageError, match=r"moses takes 2 file\(s\), 1 given"):
        CorpusInput(paths=(Path("a"),), format="moses")
    with pytest.raises(UsageError, match="unknown columns"):
        CorpusInput(paths=(Path("a"),), columns={"englsh": 0})
    with pytest.raises(UsageError, match="needs the name of a dataset"):
        CorpusInput(format="huggingface")


def test_language_in_the_name(tmp_path: Path) -> None:
    path = write(tmp_path / "news.en-de.tsv", "Hi\tHallo\n")
    assert guess_input(str(path)).language == "de"
