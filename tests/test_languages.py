"""Language codes: many names in, one form out."""

from __future__ import annotations

import pytest

from mling_embed.errors import UsageError
from mling_embed.languages import (
    find_language,
    is_known,
    language_code,
    language_name,
    language_tag,
    script_of,
    taken,
    takes,
)


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (("de", "deu", "ger", "de_DE", "deu_Latn", "DE", " de "), "de"),
        (("en", "eng", "eng_Latn", "en-US", "en-GB", "en_AU.UTF-8", "en@quot"), "en"),
        (("zh", "cmn", "zho_Hans", "zh-CN", "chi"), "zh"),
        (("zho_Hant", "zh-Hant"), "zh-Hant"),
        (("zh-TW", "zh_TW"), "zh-TW"),
        (("pt", "pt-BR", "por_Latn"), "pt"),
        (("pt-PT", "pt_pt"), "pt-PT"),
        (("sw", "swh", "swh_Latn", "swa"), "sw"),
        (("ar", "arb", "arb_Arab", "ara"), "ar"),
        (("fa", "pes_Arab", "fas"), "fa"),
        (("ko", "kor_Hang", "kor"), "ko"),
        (("ja", "jpn_Jpan", "jp"), "ja"),
        (("cs", "cz", "ces"), "cs"),
        (("nb", "no", "nor", "nob_Latn", "no_NO"), "nb"),
        (("sr-Latn", "srp_Latn", "sr@latin", "sr_latn", "sh"), "sr-Latn"),
        (("sr", "srp_Cyrl"), "sr"),
        (("et", "ekk", "est_Latn"), "et"),
        (("yue", "yue_Hant"), "yue"),
        (("ca", "ca@valencia", "ca_ES.UTF-8"), "ca"),
        (("es-419", "es_419"), "es-419"),
        (("uz@cyrillic", "uz-Cyrl"), "uz-Cyrl"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_one_form_for_each_language(names: tuple[str, ...], code: str) -> None:
    assert {name: language_code(name) for name in names} == dict.fromkeys(names, code)
    assert language_code(code) == code


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "klingon",
        "xx",
        "english!",
        "qq-Latn",
        "d",
        "-",
        "de-",
        "und",
        "zxx",
        "qaa",
        "a\x00b",
        "German",
        "de.txt",
        "x-klingon",
        "sr@",
        "de@\x00",
    ],
)
def test_what_is_no_language_is_refused(name: str) -> None:
    if name == "de-":
        assert language_code(name) == "de"
        return
    with pytest.raises(UsageError, match="is not a language code"):
        language_code(name)


@pytest.mark.parametrize(
    ("language", "script"),
    [("de", "Latn"), ("ru", "Cyrl"), ("zh", "Hans"), ("zh-TW", "Hant"), ("ja", "Jpan"), ("hi", "Deva"), ("ar", "Arab")],
)
def test_scripts(language: str, script: str) -> None:
    assert script_of(language) == script


@pytest.mark.parametrize(
    ("asked", "language", "taken_"),
    [
        ("pt", "pt-PT", True),
        ("pt", "pt-BR", True),
        ("pt-BR", "pt", True),
        ("pt-BR", "pt-PT", False),
        ("pt-PT", "pt", False),
        ("no", "nb", True),
        ("nb", "nor", True),
        ("nb", "nn", False),
        ("zh", "cmn_Hant", True),
        ("zh-TW", "zh-Hant", True),
        ("zh_Hans", "zh-TW", False),
        ("sr", "sr@latin", True),
        ("sr@latin", "sr", False),
        ("en", "en-GB", True),
        ("en-US", "en-GB", True),
        ("de", "fr", False),
    ],
)
def test_one_meaning_of_what_is_asked_for(asked: str, language: str, taken_: bool) -> None:
    assert takes(asked, language) is taken_
    assert taken([asked], language) is taken_
    assert taken(None, language)
    assert not taken([], language)


def test_what_is_asked_for_keeps_all_that_it_says() -> None:
    assert [language_tag(name) for name in ("pt_BR", "deu", "zh_tw", "sr@latin")] == ["pt-BR", "de", "zh-TW", "sr-Latn"]


def test_words_that_mean_a_language() -> None:
    words = ("German", "deutsch", "Français", "Portuguese (Brazil)", "eng", "human", "", "x" * 1000, "\x00")
    assert [find_language(word) for word in words] == ["de", "de", "fr", "pt", "en", None, None, None, None]
    assert is_known("deu")
    assert not is_known("German")


def test_names() -> None:
    names = {code: language_name(code) for code in ("de", "nb", "zh-TW", "pt-PT", "dev", "xyz", "not a code")}
    assert names == {
        "de": "German",
        "nb": "Norwegian Bokmål",
        "zh-TW": "Chinese (Taiwan)",
        "pt-PT": "Portuguese (Portugal)",
        "dev": "Domung",
        "xyz": "xyz",
        "not a code": "not a code",
    }
