"""gettext catalogues: entries, plurals by the header's rule, languages, lines that end at LF alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from reading import pairs, reasons, rows, write

from mling_embed.corpora.records import Pair, Reason, Reject
from mling_embed.errors import DataError

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


def catalogue(*entries: str, language: str = "de", plurals: str = "") -> str:
    rule = f'"Plural-Forms: {plurals}\\n"\n' if plurals else ""
    said = f'"Language: {language}\\n"\n' if language else ""
    return f'msgid ""\nmsgstr ""\n{said}{rule}"Content-Type: text/plain; charset=UTF-8\\n"\n\n' + "\n".join(entries)


def entry(english: str, other: str) -> str:
    return f'msgid "{english}"\nmsgstr "{other}"\n'


def test_entries_and_reasons(tmp_path: Path) -> None:
    assert rows(str(write(tmp_path / "a.po", PO))) == [
        Pair("Open", "Abrir", "pt_BR", 6),
        Reject(Reason.FUZZY, "Close\tPerto", "pt_BR", 9),
        Reject(Reason.UNTRANSLATED, "New\t", "pt_BR", 13),
        Pair("%d file", "%d arquivo", "pt_BR", 16),
        Pair("%d files", "%d arquivos", "pt_BR", 16),
        Reject(Reason.OBSOLETE, "Old\tVelho", "pt_BR", 21),
    ]
    with pytest.raises(DataError, match="not a PO catalogue"):
        rows(f"{write(tmp_path / 'b.po', 'what is this')}:de")


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\x85", "\f", "\v", "\x1c"])
def test_lines_end_at_lf_alone(mark: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.po", catalogue(entry("First line", f"Erste{mark}Zeile"), entry("Second", "Zweitens")))
    read = pairs(str(path))
    assert [row[0] for row in read] == ["First line", "Second"]
    assert read[0][1] == ("Erste Zeile" if mark in "\x85\f\v" else f"Erste{mark}Zeile")


@pytest.mark.parametrize(
    ("rule", "forms", "expected"),
    [
        ("nplurals=1; plural=0;", ("ein",), ("ein", "ein")),
        ("nplurals=2; plural=(n > 1);", ("eins", "viele"), ("eins", "viele")),
        ("nplurals=3; plural=(n%10==1 && n%100!=11 ? 0 : n != 0 ? 1 : 2);", ("l1", "ln", "l0"), ("l1", "ln")),
        (
            "nplurals=4; plural=(n%100==1 ? 1 : n%100==2 ? 2 : n%100==3 || n%100==4 ? 3 : 0);",
            ("s5", "s1", "s2", "s34"),
            ("s1", "s5"),
        ),
        (
            "nplurals=6; plural=(n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : n%100>=11 ? 4 : 5);",
            ("a0", "a1", "a2", "a3", "a11", "a100"),
            ("a1", "a11"),
        ),
        ("", ("eins", "zwei", "drei"), ("eins", "drei")),
        ("nplurals=2; plural=n%0;", ("eins", "viele"), ("eins", "viele")),
        ("nplurals=2; plural=__import__('os');", ("eins", "viele"), ("eins", "viele")),
        ("nplurals=9; plural=n+7;", ("eins", "viele"), ("eins", "viele")),
    ],
)
def test_plurals_go_by_the_rule(rule: str, forms: tuple[str, ...], expected: tuple[str, str], tmp_path: Path) -> None:
    said = "".join(f'msgstr[{place}] "{form}"\n' for place, form in enumerate(forms))
    path = write(tmp_path / "a.po", catalogue(f'msgid "one"\nmsgid_plural "more"\n{said}', plurals=rule))
    assert pairs(str(path)) == [("one", expected[0], "de"), ("more", expected[1], "de")]


@pytest.mark.parametrize(
    ("name", "said", "asked", "language"),
    [
        ("a.po", "sr@latin", "", "sr@latin"),
        ("a.po", "de_DE.UTF-8", "", "de_DE.UTF-8"),
        ("de.po", "German", "", "de"),
        ("de.po", "", "", "de"),
        ("de/LC_MESSAGES/app.po", "", "", "de"),
        ("locale/pt_BR/LC_MESSAGES/app.po", "", "", "pt_BR"),
        ("word.po", "German", "", "German"),
        ("a.po", "fr", ":de", "de"),
    ],
)
def test_where_the_language_comes_from(name: str, said: str, asked: str, language: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, catalogue(entry("Open it", "Otvori"), language=said))
    assert pairs(f"{path}{asked}") == [("Open it", "Otvori", language)]


def test_without_any_language_entries_are_rejected(tmp_path: Path) -> None:
    assert reasons(str(write(tmp_path / "a.po", catalogue(entry("Open", "Auf"), language="")))) == [
        Reason.UNKNOWN_LANGUAGE
    ]


def test_a_bad_entry_costs_itself_alone(tmp_path: Path) -> None:
    bad = 'msgid "a "quote" inside"\nmsgstr "x"\n'
    path = write(tmp_path / "a.po", catalogue(entry("One", "Eins"), bad, entry("Two", "Zwei")))
    assert pairs(str(path)) == [("One", "Eins", "de"), ("Two", "Zwei", "de")]
    assert [(row.reason, row.line) for row in rows(str(path)) if isinstance(row, Reject)] == [(Reason.MALFORMED, 9)]
    assert [row.line for row in rows(str(path)) if isinstance(row, Pair)] == [6, 12]


def test_charsets(tmp_path: Path) -> None:
    text = catalogue(entry("Fine", "Schön")).replace("UTF-8", "ISO-8859-1")
    assert pairs(str(write(tmp_path / "a.po", text.encode("latin-1")))) == [("Fine", "Schön", "de")]
    broken = catalogue(entry("Fine", "Schön"), entry("Two", "Zwei")).encode("latin-1")
    assert reasons(str(write(tmp_path / "b.po", broken))) == [Reason.UNDECODABLE]
    assert pairs(str(tmp_path / "b.po")) == [("Two", "Zwei", "de")]
