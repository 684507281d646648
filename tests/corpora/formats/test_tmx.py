"""TMX: units good and bad, namespaces, encodings, languages."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import pairs, reasons, rows, write

from mling_embed.corpora.formats import OpenFile
from mling_embed.corpora.formats import tmx as reader
from mling_embed.corpora.records import Pair, Reason, Reject
from mling_embed.errors import DamagedFileError, DataError

TMX = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4"><header/><body>
<tu><tuv xml:lang="en-US"><seg>Press <bpt i="1">&lt;b&gt;</bpt>OK<ept i="1">&lt;/b&gt;</ept>
now.</seg></tuv><tuv xml:lang="de"><seg>Jetzt OK drücken.</seg></tuv><tuv lang="fr"><seg>OK</seg></tuv></tu>
<tu><tuv xml:lang="de"><seg>Allein</seg></tuv></tu>
</body></tmx>"""


def unit(**segments: str) -> str:
    return (
        "<tu>"
        + "".join(f'<tuv xml:lang="{k.replace("_", "-")}"><seg>{v}</seg></tuv>' for k, v in segments.items())
        + "</tu>"
    )


def memory(*units: str, root: str = '<tmx version="1.4">', end: str = "</tmx>") -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?>{root}<header/><body>{"".join(units)}</body>{end}'


GOOD = unit(en="A day.", de="Ein Tag.")


def test_inline_markup_is_no_text(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tmx", TMX)
    assert rows(str(path)) == [
        Pair("Press OK now.", "Jetzt OK drücken.", "de", 1),
        Pair("Press OK now.", "OK", "fr", 1),
        Reject(Reason.NO_ENGLISH, "\tAllein", None, 2),
    ]


@pytest.mark.parametrize(
    "bad",
    [
        unit(en="A bad&#x1F;byte.", de="Ein Byte."),
        unit(en="A raw\x1fbyte.", de="Ein Byte."),
        unit(en="Salt&nbsp;here.", de="Salz hier."),
        unit(en="AT&T here.", de="Hier."),
        unit(en="a < b", de="a"),
        unit(en="A day.", de="Ein Tag.").replace("</tu>", ""),
        unit(en="A day.", de="Ein Tag.").replace("</seg>", "</sge>"),
        "<tu><tuv xml:lang='en'><seg>&a;</seg></tuv></tu>",
    ],
)
def test_a_bad_unit_costs_itself_alone(bad: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.tmx", memory(GOOD, bad, GOOD))
    assert pairs(f"{path}:de") == [("A day.", "Ein Tag.", "de")] * 2
    assert [(row.reason, row.line) for row in rows(f"{path}:de") if isinstance(row, Reject)] == [(Reason.MALFORMED, 2)]


@pytest.mark.parametrize(
    "root", ['<tmx version="1.4" xmlns="http://www.lisa.org/tmx14">', '<tmx xmlns:x="urn:y" version="1.1">']
)
def test_namespaces(root: str, tmp_path: Path) -> None:
    assert len(pairs(str(write(tmp_path / "a.tmx", memory(GOOD, root=root))))) == 1


def test_prefixes(tmp_path: Path) -> None:
    data = memory(GOOD, root='<t:tmx xmlns:t="http://www.lisa.org/tmx14">', end="</t:tmx>")
    for tag in ("tu>", "tuv ", "tuv>", "seg>"):
        data = data.replace(f"<{tag}", f"<t:{tag}").replace(f"</{tag}", f"</t:{tag}")
    assert pairs(str(write(tmp_path / "a.tmx", data))) == [("A day.", "Ein Tag.", "de")]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "iso-8859-1", "windows-1252"])
def test_encodings(encoding: str, tmp_path: Path) -> None:
    data = memory(unit(en="A fine day.", de="Ein schöner Tag."))
    if encoding != "utf-8-sig":
        data = data.replace("UTF-8", encoding)
    assert pairs(f"{write(tmp_path / 'a.tmx', data.encode(encoding))}:de") == [
        ("A fine day.", "Ein schöner Tag.", "de")
    ]


def test_every_english_is_english_and_none_a_translation(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.tmx", memory(unit(en_US="Color", en_GB="Colour"), unit(en_GB="Grey", en_US="Gray", de="Grau"))
    )
    assert pairs(str(path)) == [("Grey", "Grau", "de")]
    assert reasons(str(path)) == [Reason.UNTRANSLATED]


def test_a_segment_without_language_is_in_the_one_asked_for_or_rejected(tmp_path: Path) -> None:
    nameless = '<tu><tuv xml:lang="en"><seg>Third.</seg></tuv><tuv><seg>Dritter.</seg></tuv></tu>'
    path = write(tmp_path / "a.tmx", memory(GOOD, nameless))
    assert reasons(str(path)) == [Reason.UNKNOWN_LANGUAGE]
    assert pairs(f"{path}:de")[1] == ("Third.", "Dritter.", "de")


def test_comments_hide_units_and_an_open_one_hides_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tmx", memory(f"<!-- {GOOD} -->", GOOD, "<!-- open "))
    assert len(pairs(str(path))) == 1


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (
            '<!DOCTYPE tmx [<!ENTITY a "x"><!ENTITY b "&a;&a;">]><tmx>&b;</tmx>',
            DataError,
            "defines or asks for entities",
        ),
        (
            '<!DOCTYPE tmx [<!ENTITY a SYSTEM "file:///etc/x">]><tmx>&a;</tmx>',
            DataError,
            "defines or asks for entities",
        ),
        ("<tmx><body>", DamagedFileError, "ends before any unit: </tmx> is missing"),
        (memory(GOOD)[:-10], DamagedFileError, "ends in the midst of its units: </tmx> is missing"),
        ("<html/>", DataError, "root element is <html>, expected <tmx>"),
        ("", DataError, "an empty file, expected <tmx>"),
        ("no markup", DataError, "not XML, expected <tmx>"),
    ],
)
def test_what_is_no_tmx_is_refused(data: str, error: type[Exception], message: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=message):
        rows(str(write(tmp_path / "a.tmx", data)))


@given(step=st.integers(1, 200))
def test_blocks_do_not_matter(step: int) -> None:
    import io

    data = memory(GOOD, "<!-- x -->", unit(en="a < b", de="x"), GOOD).encode()
    before, reader._BLOCK = reader._BLOCK, step
    try:
        found = list(reader._units(OpenFile(io.BytesIO(data), "a.tmx")))  # type: ignore[arg-type]
    finally:
        reader._BLOCK = before
    assert found == [GOOD, unit(en="a < b", de="x"), GOOD]
