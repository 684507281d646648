"""Filters and their reasons."""

from __future__ import annotations

import importlib.util

import pytest

from mling_embed.corpora.filters import FilterOptions, english_filter, tidy, translation_filter
from mling_embed.corpora.language_id import language_filter
from mling_embed.corpora.records import Reason
from mling_embed.corpora.scripts import script_check, scripts_of

LONG_ENGLISH = "This is a sentence of a good length, so that ratios count."


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Hello.", None),
        ("a\u2028b", None),
        ("tab\there", None),
        ("", Reason.EMPTY),
        ("\u200b\u200d", Reason.EMPTY),
        ("a\x00b", Reason.CONTROL_CHARACTERS),
        ("a\rb", Reason.CONTROL_CHARACTERS),
        ("a\x85b", Reason.CONTROL_CHARACTERS),
        ("a\ufffdb", Reason.CONTROL_CHARACTERS),
        ("x" * 2000, None),
        ("x" * 10_000, Reason.TOO_LONG),
        ("a\ud800b", Reason.UNDECODABLE),
        ("Привет, мир", Reason.WRONG_SCRIPT),
        ("2 + 2 = 4", None),
    ],
)
def test_english(text: str, reason: Reason | None) -> None:
    assert english_filter(FilterOptions())(tidy(text)) is reason


@pytest.mark.parametrize(
    ("language", "english", "other", "reason"),
    [
        ("de", "Hello.", "Hallo.", None),
        ("de", "Hello.", "", Reason.EMPTY),
        ("de", "Hello.", "a\x07", Reason.CONTROL_CHARACTERS),
        ("de", "Hello.", "x" * 2001, Reason.TOO_LONG),
        ("de", "Berlin", "Berlin", None),
        ("de", "Max sang.", "Max sang.", None),
        ("de", "This was not translated.", "This was not translated.", Reason.COPY_OF_SOURCE),
        ("de", "3 x 4 = 12 = 2 x 6", "3 x 4 = 12 = 2 x 6", Reason.COPY_OF_SOURCE),
        ("ru", "12:30 - 14:00 2020 5", "12:30 - 14:00 2020 5", None),
        ("ru", "Berlin", "Berlin", Reason.COPY_OF_SOURCE),
        ("ru", "Berlin", "Bärlin", Reason.WRONG_SCRIPT),
        ("ru", "Berlin", "Берлин", None),
        ("sr", "Good day", "Dobar dan", None),
        ("sr-Cyrl", "Good day", "Dobar dan", None),  # no such code comes here: sr-Cyrl is sr
        ("sr-Latn", "Good day", "Добар дан", Reason.WRONG_SCRIPT),
        ("zh", LONG_ENGLISH, "这个句子的长度合适，所以比例很重要。", None),
        ("zh", LONG_ENGLISH, "これ", Reason.WRONG_SCRIPT),
        ("ja", "Firefox.", "ファイアフォックス。", None),
        ("de", LONG_ENGLISH, "Ja", None),
        ("de", LONG_ENGLISH * 3, "Ja", Reason.LENGTH_RATIO),
        ("de", "Yes", "Ja, " * 30, Reason.LENGTH_RATIO),
        ("fa", "I want", "می\u200cخواهم", None),
        ("he", "Hello", "שלום\u200f", None),
    ],
)
def test_translation(language: str, english: str, other: str, reason: Reason | None) -> None:
    expected = Reason.WRONG_SCRIPT if language == "sr-Cyrl" else reason
    assert translation_filter(language, FilterOptions())(tidy(english), tidy(other)) is expected


def test_none_switches_a_filter_off() -> None:
    off = FilterOptions(max_characters=None, max_length_ratio=None, max_copied_words=None, min_script_share=None)
    check = translation_filter("ru", off)
    assert check("a b c d e", "a b c d e") is None
    assert check("a", "x" * 10_000) is None


def test_nfc_without_losing_joiners() -> None:
    assert tidy(" e\u0301\u0302 \n") == "\u00e9\u0302"
    assert tidy("می\u200cخواهم") == "می\u200cخواهم"
    assert tidy("क्\u200dष") == "क्\u200dष"


def test_scripts() -> None:
    assert scripts_of("uz") == {"Latn", "Cyrl", "Arab"}
    assert scripts_of("zh-Hant") == {"Hant"}
    assert script_check("jv", 0.1) is None  # Javanese letters are not listed
    check = script_check("hi", 0.5)
    assert check is not None
    assert check("मैं ठीक हूँ")
    assert not check("मैं am fine, thank you")


@pytest.mark.skipif(importlib.util.find_spec("lingua") is None, reason="lingua is an extra")
def test_language_identification() -> None:
    check = language_filter("de", 0.8)
    assert check("Das ist ein ganz gewöhnlicher deutscher Satz über das Wetter von gestern.") is None
    assert check("Ceci est une phrase française tout à fait ordinaire sur le temps.") is Reason.WRONG_LANGUAGE
    assert check("Oui.") is None
    assert language_filter("jbo", 0.8)("Ceci est une phrase française tout à fait ordinaire.") is None
