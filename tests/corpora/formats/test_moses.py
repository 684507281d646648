"""Two line-aligned files: sides by name and by look, counts, members of archives."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from reading import pairs, rows, write

from mling_embed.corpora.corpus_input import CorpusInput
from mling_embed.corpora.inputs import guess_input
from mling_embed.corpora.records import Pair, Reason, Reject
from mling_embed.errors import DataError, UsageError

ENGLISH, GERMAN = "This is the one.\nAnd that is the other.\n", "Das ist das eine.\nUnd das ist das andere.\n"


def test_rows(tmp_path: Path) -> None:
    english, other = write(tmp_path / "n.en", b"One\nTwo\n\xff"), write(tmp_path / "n.de", "Eins\nZwei\nDrei\n")
    expected = [
        Pair("One", "Eins", "de", 1),
        Pair("Two", "Zwei", "de", 2),
        Reject(Reason.UNDECODABLE, "\\xff\tDrei", "de", 3),
    ]
    assert rows(f"{english},{other}") == expected
    assert rows(f"{english},{other}:de") == expected
    assert rows(f"{other},{english}:de") == expected  # the names say which is English
    assert rows(f"{other},{english}") == expected


@pytest.mark.parametrize(("n_english", "n_other"), [(3, 7), (7, 3), (0, 1)])
def test_unequal_sides_name_both_counts(n_english: int, n_other: int, tmp_path: Path) -> None:
    english, other = write(tmp_path / "n.en", "a\n" * n_english), write(tmp_path / "n.de", "b\n" * n_other)
    with pytest.raises(DataError, match=rf"n\.en: {n_english} lines, but .*n\.de has {n_other}"):
        rows(f"{english},{other}")


def test_without_names_the_text_says_the_side(tmp_path: Path) -> None:
    one, two = write(tmp_path / "train.src", GERMAN), write(tmp_path / "train.tgt", ENGLISH)
    assert pairs(f"{one},{two}:de")[0] == ("This is the one.", "Das ist das eine.", "de")
    russian, chinese = write(tmp_path / "a.src", "Да.\nНет.\n"), write(tmp_path / "a.tgt", "是\n不\n")
    with pytest.raises(DataError, match=r"a\.src: not English, as far as 2 line\(s\) show; nor is .*a\.tgt"):
        rows(f"{russian},{chinese}:zh")


def test_members_of_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "N.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in (("README", "x"), ("LICENSE", "y"), ("N.de-en.en", ENGLISH), ("N.de-en.de", GERMAN)):
            archive.writestr(name, text)
        archive.writestr("N.de-en.xml", "<ids/>")
        archive.writestr("__MACOSX/._N.de-en.de", "\0")
    expected = [
        Pair("This is the one.", "Das ist das eine.", "de", 1),
        Pair("And that is the other.", "Und das ist das andere.", "de", 2),
    ]
    for word in (
        f"{path}",
        f"{path}:de",
        f"{path}!N.de-en.en,{path}!N.de-en.de",
        f"{path}!N.de-en.de,{path}!N.de-en.en:de",
    ):
        assert rows(word) == expected, word
    with pytest.raises(DataError, match=r"no member matches 'N\.de-en\.fr'; there are README, LICENSE"):
        rows(f"{path}!N.de-en.en,{path}!N.de-en.fr")


def test_what_two_files_do_not_have(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"moses takes 2 file\(s\), 1 given"):
        rows(CorpusInput(paths=(write(tmp_path / "a", "x"),), format="moses"))
    with pytest.raises(UsageError, match="two line-aligned files have no columns"):
        guess_input("a.en,b.de:de,english=0")
