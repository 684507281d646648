"""Which side is English: scripts, function words, lingua."""

from __future__ import annotations

import pytest

from mling_embed.corpora import english_side as module
from mling_embed.corpora.english_side import Sides, english_side, is_english

ENGLISH = ["The house is on the hill that you see.", "They have not come with us."]
LABELS = ["Cotton shirt, blue, large", "Wooden table for outdoor dining", "Leather shoes in black"]
TEXTS = {
    "de": ["Das Haus steht auf dem Hügel.", "Sie sind nicht mit uns gekommen."],
    "nl": ["Het huis staat op de heuvel of erachter.", "Zij zijn niet met ons meegekomen, was dat zo?"],
    "fr": ["La maison est sur la colline.", "Ils ne sont pas venus avec nous."],
    "ru": ["Дом стоит на холме.", "Они не пришли с нами."],
    "zh": ["房子在山上。", "他们没有和我们一起来。"],
    "sw": ["Nyumba iko juu ya kilima.", "Hawakuja nasi."],
}


@pytest.mark.parametrize("language", TEXTS)
def test_either_order_is_told(language: str) -> None:
    assert english_side(ENGLISH, TEXTS[language], language=language) is Sides.IN_ORDER
    assert english_side(TEXTS[language], ENGLISH, language=language) is Sides.SWAPPED


def test_what_cannot_be_told_is_left_as_it_is() -> None:
    assert english_side(["Open"], ["Öffnen"], language="de") is Sides.UNCLEAR
    assert english_side([], []) is Sides.UNCLEAR
    assert english_side(["", " "], ["17", "18"]) is Sides.UNCLEAR


def test_neither() -> None:
    assert english_side(TEXTS["ru"], TEXTS["zh"]) is Sides.NEITHER
    assert not is_english(TEXTS["ru"])
    assert is_english(ENGLISH)
    assert is_english(["Open"])


def test_neither_in_latin_letters() -> None:
    pytest.importorskip("lingua")
    assert english_side(TEXTS["de"], TEXTS["fr"], language="fr") is Sides.NEITHER
    assert english_side(TEXTS["de"], TEXTS["fr"]) is Sides.NEITHER
    assert not is_english(TEXTS["de"])
    assert is_english(LABELS)


def test_lingua_tells_names_of_things_and_is_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lingua")
    german = ["Baumwollhemd, blau, groß", "Holztisch für den Garten", "Lederschuhe in Schwarz"]
    assert english_side(german, LABELS, language="de") is Sides.SWAPPED
    assert english_side(LABELS, german, language="de") is Sides.IN_ORDER
    monkeypatch.setattr(module, "detector_of", lambda codes: None)
    assert english_side(german, LABELS, language="de") is Sides.UNCLEAR
