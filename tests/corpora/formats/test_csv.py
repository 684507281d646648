"""CSV of spreadsheets: separators, encodings, quotes good and bad."""

from __future__ import annotations

from pathlib import Path

import pytest
from reading import pairs, reasons, rows, write

from mling_embed.corpora.corpus_input import CorpusInput
from mling_embed.corpora.lines import Decoding
from mling_embed.corpora.records import Pair, Reason, Reject
from mling_embed.errors import DataError


def test_quotes_line_ends_and_what_is_no_row(tmp_path: Path) -> None:
    data = b'\xef\xbb\xbfen,de\r\n"a, ""b""","c\r\nd"\r\nx,y,z\r\n\xff,y\r\n'
    path = write(tmp_path / "a.csv", data)
    assert rows(f"{path}:de") == [
        Pair('a, "b"', "c d", "de", 2),
        Reject(Reason.MALFORMED, "x,y,z", "de", 4),
        Reject(Reason.UNDECODABLE, "\\xff,y", "de", 5),
    ]
    with pytest.raises(DataError, match="not UTF-8"):
        rows(f"{path}:de" and CorpusInput(paths=(path,), format="csv", language="de"), Decoding.STRICT)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_separators_and_encodings(delimiter: str, encoding: str, tmp_path: Path) -> None:
    cells = [("English", "German"), ("Good, fine; well.", "Schön, gut; fein."), ('The "end" of it', "Das Ende")]
    data = "".join(delimiter.join(f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in row) + "\r\n" for row in cells)
    path = write(tmp_path / "a.csv", data.encode(encoding))
    assert pairs(f"{path}:de") == [(english, german, "de") for english, german in cells[1:]]
    assert pairs(str(path)) == pairs(f"{path}:de")  # the header says German


def test_what_excel_says_first(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "sep=;\r\nen;de\r\nHi, you;Hallo, du\r\n")
    assert pairs(str(path)) == [("Hi, you", "Hallo, du", "de")]


def test_without_header(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "Hi,Hallo\nBye,Ciao\n")
    source = CorpusInput(paths=(path,), format="csv", language="de", columns={"english": 0, "other": 1})
    assert rows(source) == [Pair("Hi", "Hallo", "de", 1), Pair("Bye", "Ciao", "de", 2)]
    with pytest.raises(DataError, match=r"there are Hi \(text\), Hallo \(text\)\. Name the columns"):
        rows(f"{path}:de")
    path = write(tmp_path / "b.csv", "This is it.,Das ist es.\nThat is all.,Das ist alles.\n")
    assert len(pairs(f"{path}:de")) == 2


def test_sloppy_quotes_cost_their_row_alone(tmp_path: Path) -> None:
    good = [f"line {i} of it,Zeile {i}\n" for i in range(300)]
    path = write(tmp_path / "a.csv", "".join(["en,de\n", '"open,x\n', *good, '"He said "hi" to me",Hallo\n', *good]))
    assert len(pairs(f"{path}:de")) == 600
    assert reasons(f"{path}:de") == [Reason.MALFORMED] * 2
    path = write(tmp_path / "b.csv", 'en,de\nThe end,Das Ende\n"never closed,x\n' + "Go on,Weiter\n" * 3)
    assert rows(f"{path}:de")[1] == Reject(Reason.MALFORMED, '"never closed,x', "de", 3)
    assert len(pairs(f"{path}:de")) == 4


def test_cells_of_any_length_are_looked_at_in_no_time(tmp_path: Path) -> None:
    long = "1" * 100_000 + " " * 100_000 + "x"
    path = write(tmp_path / "a.csv", f"en,de\n{long},{long}\n" * 50)
    assert len(rows(f"{path}:de,english=0,other=1")) == 99
    with pytest.raises(DataError, match=r"0 \(numbers\)|holds numbers|can be told"):
        rows(f"{write(tmp_path / 'b.csv', (long + ',' + long + chr(10)) * 50)}:de")
