"""What all readers have in common: formats found by themselves, archives, foreign errors."""

from __future__ import annotations

import pkgutil
import zipfile
from pathlib import Path

import pytest
from reading import pairs, rows, write

from mling_embed.corpora import formats as package
from mling_embed.corpora.corpus_input import CorpusInput
from mling_embed.corpora.formats import Format, format_named, formats, suffixes
from mling_embed.corpora.inputs import guess_input
from mling_embed.corpora.readers import read_input
from mling_embed.corpora.records import Pair
from mling_embed.errors import DataError, UsageError


def test_every_module_is_a_format_of_its_own() -> None:
    assert len(formats()) == len(list(pkgutil.iter_modules(package.__path__)))
    claimed = [suffix for one in formats().values() for suffix in one.suffixes]
    assert len(claimed) == len(set(claimed)) == len(suffixes())


def test_a_format_that_is_none_is_named() -> None:
    with pytest.raises(UsageError, match=r"no format 'xls'\. Use one of csv, "):
        format_named("xls")


def test_members_of_an_archive_and_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("deu.txt", "Hi\tHallo\tby X\n")
        archive.writestr("_about.txt", "about")
    read = list(read_input(guess_input(f"{path}!deu.txt:de")))
    assert read == [(f"{path}!deu.txt", Pair("Hi", "Hallo", "de", 1))]
    assert rows(f"{path}:de") == [Pair("Hi", "Hallo", "de", 1)]  # what is about the data is not data
    write(tmp_path / "tree" / "de" / "app.tsv", "Hi\tHallo\n")
    write(tmp_path / "tree" / "._app.tsv", "\0\0")
    write(tmp_path / "tree" / "b.tsv", "Bye\tCiao\n")
    assert pairs(f"{tmp_path / 'tree'}:de") == [("Bye", "Ciao", "de"), ("Hi", "Hallo", "de")]


def test_english_alone_by_its_format(tmp_path: Path) -> None:
    source = CorpusInput(paths=(write(tmp_path / "a.txt", "One.\nTwo.\n"),), format="lines")
    assert rows(source) == [Pair("One.", None, None, 1), Pair("Two.", None, None, 2)]


def test_whatever_a_reader_raises_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(files: object, source: object, decoding: object) -> object:
        raise KeyError("inside")

    monkeypatch.setitem(formats(), "tsv", Format("tsv", broken, suffixes=(".tsv",)))  # type: ignore[arg-type]
    path = write(tmp_path / "a.tsv", "x")
    with pytest.raises(DataError, match=rf"{path}: cannot be read as tsv \('inside'\)\. Check its format"):
        rows(f"{path}:de")
