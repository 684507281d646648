"""Words of the command line: locations, languages, columns."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from reading import pairs, write

from mling_embed.corpora.corpus_input import CorpusInput
from mling_embed.corpora.inputs import guess_input
from mling_embed.errors import DataError, UsageError


@pytest.mark.parametrize(
    ("word", "language", "columns"),
    [
        ("a.tsv", None, {}),
        ("a.tsv:deu", "de", {}),
        ("a.tsv:pt_BR", "pt-BR", {}),
        ("a.tsv:German", "de", {}),
        ("a.tsv:sr@latin", "sr-Latn", {}),
        ("a.tsv:de,english=2,other=4", "de", {"english": 2, "other": 4}),
        ("a.tsv:english=2,other=4:de", "de", {"english": 2, "other": 4}),
        ("a.tsv:english=en,other=translation.de", None, {"english": "en", "other": "translation.de"}),
        ("a.tsv,english=1,other=0:de", "de", {"english": 1, "other": 0}),
        ("a.tsv:language=0,english=1,other=2", None, {"language": 0, "english": 1, "other": 2}),
        ("news.en-sw.tsv", "sw", {}),
        ("europarl.dev.tsv", None, {}),
        ("a.zip!b/*.tsv:de", "de", {}),
    ],
)
def test_words(word: str, language: str | None, columns: dict[str, str | int]) -> None:
    source = guess_input(word)
    assert (source.assumed, dict(source.columns), source.format) == (language, columns, "tsv")


@pytest.mark.parametrize(
    "part", ["all", "new", "raw", "train", "test", "clean", "dedup", "dev", "v2", "tok", "run", "src"]
)
def test_no_word_of_a_file_name_is_taken_for_a_language(part: str) -> None:
    assert guess_input(f"europarl.{part}.tsv").assumed is None
    assert guess_input(f"europarl.de.{part}.tsv").assumed == "de"


@pytest.mark.parametrize("name", ["odd!name.tsv", "a,b.tsv", "a:b.tsv", "x[1].tsv", "a.zip!b.tsv"])
def test_a_file_that_is_there_is_meant_as_it_is_called(name: str, tmp_path: Path) -> None:
    write(tmp_path / name, "This is it.\tDas ist es.\n")
    assert pairs(f"{tmp_path / name}:de") == [("This is it.", "Das ist es.", "de")]


def test_an_exclamation_mark_in_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "data!" / "a.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x[1].tsv", "This is it.\tDas ist es.\n")
    for word in (f"{path}!x[1].tsv:de", f"{path}!*.tsv:de", f"{path}:de"):
        assert pairs(word) == [("This is it.", "Das ist es.", "de")]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("a.doc", "no format goes by the suffix '.doc'"),
        ("a.tsv:xx-nonsense-yy-zz", "not a language code"),
        ("a.tsv:", "not a language code"),
    ],
)
def test_bad_words(word: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        guess_input(word)


def test_an_archive_of_several_kinds_is_asked_about(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.tsv", "x")
        archive.writestr("b.tmx", "x")
    with pytest.raises(
        DataError, match=r"a\.zip: which of its members are meant\? It holds a\.tsv, b\.tmx\. Name them"
    ):
        guess_input(f"{path}:de")


def test_inputs_that_make_no_sense() -> None:
    with pytest.raises(UsageError, match="unknown columns"):
        CorpusInput(paths=(Path("a"),), columns={"englsh": 0})
    with pytest.raises(UsageError, match="neither a file nor a dataset"):
        CorpusInput(format="huggingface")
    with pytest.raises(UsageError, match="where needs a header"):
        CorpusInput(paths=(Path("a"),), where={"a": "b"})
    with pytest.raises(UsageError, match=r"1 member\(s\) for 2 file\(s\)"):
        CorpusInput(paths=(Path("a"), Path("b")), members=("x",))
