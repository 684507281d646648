"""Tab-separated text: rows in, pairs and reasons out."""

from __future__ import annotations

from pathlib import Path

import pytest
from reading import pairs, reasons, rows, write

from mling_embed.corpora.corpus_input import CorpusInput
from mling_embed.corpora.records import Pair, Reason, Reject
from mling_embed.errors import DataError

GERMAN = "Der Zug fährt um neun ab.", "Ich habe meinen Schirm vergessen."
ENGLISH = "The train leaves at nine.", "I forgot that umbrella of mine."
KEPT = [(english, german, "de") for english, german in zip(ENGLISH, GERMAN, strict=True)]


def table(*columns: tuple[str, ...]) -> str:
    return "".join("\t".join(row) + "\n" for row in zip(*columns, strict=True))


def test_rows_and_reasons(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.tsv", b'Hi\tHallo\r\none "quote\tein "Zitat\nthree\tcells\there\n\xff\tx\nBye\tTsch\xc3\xbcss'
    )
    assert rows(f"{path}:deu") == [
        Pair("Hi", "Hallo", "de", 1),
        Pair('one "quote', 'ein "Zitat', "de", 2),
        Reject(Reason.MALFORMED, "three\tcells\there", "de", 3),
        Reject(Reason.UNDECODABLE, "\\xff\tx", "de", 4),
        Pair("Bye", "Tschüss", "de", 5),
    ]


@pytest.mark.parametrize("data", ["a\rb\tc\n", "x\u2028y\tc\n", "x\x85y\tc", "\u200fשלום\tc\n", "e\u0301\tמ\u200dn\n"])
def test_hostile_text_is_text(data: str, tmp_path: Path) -> None:
    english, other = data.rstrip("\n").split("\t")
    source = CorpusInput(
        paths=(write(tmp_path / "a.tsv", data),), language="de", columns={"english": 0, "other": 1}, header=False
    )
    assert rows(source) == [Pair(english, other, "de", 1)]


def test_a_column_of_languages_is_found_wherever_it_stands(tmp_path: Path) -> None:
    first = write(tmp_path / "pool.tsv", "de\tHi\tHallo\to\nfr\tHi\tSalut\to\n")
    assert rows(str(first)) == [Pair("Hi", "Hallo", "de", 1), Pair("Hi", "Salut", "fr", 2)]
    last = write(tmp_path / "pool2.tsv", "Hi\tHallo\tde\nHi\tSalut\tfr\n")
    assert rows(str(last)) == [Pair("Hi", "Hallo", "de", 1), Pair("Hi", "Salut", "fr", 2)]
    assert pairs(f"{first}:de") == [("Hi", "Hallo", "de"), ("Hi", "Salut", "fr")]  # the writer rejects the other


def test_two_columns_of_languages_say_the_sides_row_by_row(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "en\tde\tHi there\tHallo\nfr\ten\tSalut\tHi\nfr\tde\tSalut\tHallo\n")
    assert rows(str(path)) == [
        Pair("Hi there", "Hallo", "de", 1),
        Pair("Hi", "Salut", "fr", 2),
        Reject(Reason.NO_ENGLISH, "fr\tde\tSalut\tHallo", "de", 3),
    ]


def test_one_column_is_english_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "english.txt", "One.\nTwo.\n")
    assert rows(str(path)) == [Pair("One.", None, None, 1), Pair("Two.", None, None, 2)]
    with pytest.raises(DataError, match=r"english\.txt:1: 1 column, expected at least 2"):
        rows(f"{path}:de")


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("ids.tsv:de", (("101", "102"), ENGLISH, ("201", "202"), GERMAN)),
        ("WikiMatrix.de-en.tsv", (("1.0921", "1.0712"), GERMAN, ENGLISH)),
        ("CCMatrix.en-de.tsv", (("1.25", "1.2"), ENGLISH, GERMAN)),
        ("bitextor.tsv:de", (("http://a.org/1",) * 2, ("https://a.org/2",) * 2, ENGLISH, GERMAN, ("0.8", "0.9"))),
        ("hashes.tsv:de", (("a3f9c2", "b77e01"), ("s1", "s2"), ENGLISH, GERMAN)),
        ("swapped.tsv:de", (GERMAN, ENGLISH)),
        ("labels.tsv:de", (("train",) * 2, ENGLISH, GERMAN)),
        ("news.de-en.tsv", (GERMAN, ENGLISH)),
        ("news.en-de.tsv", (GERMAN, ENGLISH)),  # what stands there wins over the order in a name
    ],
)
def test_text_columns_and_the_english_side_are_found(
    name: str, columns: tuple[tuple[str, ...], ...], tmp_path: Path
) -> None:
    write(tmp_path / name.partition(":")[0], table(*columns))
    assert pairs(str(tmp_path / name)) == KEPT


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ((("101", "102"), ENGLISH), r"there are 0 \(numbers\), 1 \(text\)\. Name the columns: FILE:LANGUAGE,english=0"),
        ((("http://a.org/1", "http://a.org/2"), ("http://b.org", "http://c.org")), r"0 \(addresses\), 1 \(addresses\)"),
        ((("s1", "s2"), ("t1", "t2")), r"0 \(identifiers\), 1 \(identifiers\)"),
        ((("Поезд ушёл.", "Я забыл."), ("Der Zug ist weg.", "Ich habe es.")), None),
        ((("Поезд ушёл.", "Я забыл."), ("电车开走了", "我忘了")), "column 0 is not English, as far as 2 row"),
    ],
)
def test_what_is_no_english_is_refused(
    columns: tuple[tuple[str, ...], ...], message: str | None, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.tsv", table(*columns))
    if message is None:  # German is Latin too: the side that can be English is taken for it
        assert [row[0] for row in pairs(f"{path}:ru")] == list(columns[1])
        return
    with pytest.raises(DataError, match=message):
        rows(f"{path}:de")


def test_columns_are_named_on_the_command_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", table(("1", "2"), GERMAN, ("x", "y"), ENGLISH))
    for word in (f"{path}:de,english=3,other=1", f"{path}:english=3,other=1:de", f"{path},english=3,other=1:de"):
        assert pairs(word) == KEPT
    with pytest.raises(DataError, match=r"a\.tsv:1: 4 column\(s\), expected at least 8"):
        rows(f"{path}:de,english=3,other=7")
    two = write(tmp_path / "two.tsv", table(GERMAN, ENGLISH))
    assert pairs(f"{two}:de,english=1") == KEPT
    assert pairs(f"{two}:de,other=0") == KEPT
    with pytest.raises(DataError, match=r"a\.tsv:1: which column is other\? Say it too: other=0"):
        rows(f"{path}:de,english=3")
    with pytest.raises(DataError, match=r"no column text; there are 1, Der Zug"):
        rows(f"{path}:de,english=text,other=1")


def test_a_header_is_seen(tmp_path: Path) -> None:
    for header in ("id\ten\tde", "ID\tEnglish\tGerman", "id\tsource\ttarget", "no\ttext_en\ttext_de"):
        path = write(tmp_path / "a.tsv", f"{header}\n" + table(("1", "2"), ENGLISH, GERMAN))
        assert pairs(f"{path}:de") == KEPT, header
    path = write(tmp_path / "a.tsv", "id\tde\ten\n" + table(("1", "2"), GERMAN, ENGLISH))
    assert pairs(str(path)) == KEPT


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("de\ten\nja\tyes\n", [("yes", "ja", "de")]),
        ("English\tSpanish\nno\tno\n", [("no", "no", "es")]),
        ("is\tist\nit\tes\n", [("is", "ist", "de"), ("it", "es", "de")]),
        ("no\tnein\n", [("no", "nein", "de")]),
    ],
)
def test_short_words_of_two_columns_are_texts_and_no_codes(
    text: str, kept: list[tuple[str, str, str]], tmp_path: Path
) -> None:
    assert pairs(f"{write(tmp_path / 'a.tsv', text)}:{kept[0][2]}") == kept


def test_a_name_of_two_other_languages_is_heeded_where_few_rows_say_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "x.de-fr.tsv", "Guten Tag.\tBonjour.\nJa.\tOui.\nNein.\tNon.\n")
    with pytest.raises(DataError, match=r"column 0 is not English, as the file's name says: de and fr\. Name the col"):
        rows(f"{path}:fr")
    assert len(pairs(f"{path}:fr,english=0,other=1")) == 3
    path = write(tmp_path / "y.de-fr.tsv", table(ENGLISH, GERMAN))
    assert pairs(f"{path}:de") == KEPT  # the rows speak for themselves


def test_a_header_names_columns_and_where_chooses_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "split\ten\tde\ntrain\tHi\tHallo\ntest\tNo\tNein\ntrain\tYes\n")
    columns = {"english": "en", "other": "de"}
    source = CorpusInput(paths=(path,), columns=columns, language="de", header=True, where={"split": "train"})
    assert rows(source) == [Pair("Hi", "Hallo", "de", 2), Reject(Reason.MALFORMED, "train\tYes", "de", 4)]
    assert len(rows(CorpusInput(paths=(path,), columns=columns, language="de", header=True))) == 3
    for wrong in ({"columns": {"english": "fr"}}, {"columns": columns, "where": {"fr": "x"}}):
        with pytest.raises(DataError, match=r"a\.tsv: no column fr; there are split, en, de"):
            rows(CorpusInput(paths=(path,), language="de", header=True, **wrong))  # type: ignore[arg-type]
    empty = write(tmp_path / "empty.tsv", "")
    assert rows(CorpusInput(paths=(empty,), columns={"english": 0}, header=True)) == []


def test_quotes_of_a_spreadsheet_are_taken_off_and_others_are_text(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", 'He said ""no"".\tEr sagte nein.\n"The ""end"""\t"Das ""Ende"""\n')
    assert pairs(f"{path}:de")[1] == ('"The ""end"""', '"Das ""Ende"""', "de")  # the first line is no spreadsheet's
    path = write(tmp_path / "a.tsv", 'The start\tDer Anfang\n"The ""end"""\t"Das\tEnde"\n"two\n lines"\tzwei\n')
    assert pairs(f"{path}:de")[0] == ("The start", "Der Anfang", "de")
    path = write(tmp_path / "a.tsv", '"The ""end"""\t"Das ""Ende"""\n"Go"\t"Geh"\n')
    assert pairs(f"{path}:de") == [('The "end"', 'Das "Ende"', "de"), ("Go", "Geh", "de")]


def test_rejects_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", b"\xff\n\xfe\n")
    assert reasons(f"{path}:de") == [Reason.UNDECODABLE] * 2
