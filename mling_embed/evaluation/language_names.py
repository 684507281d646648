"""English names of languages, for charts and tables that people read."""

from __future__ import annotations

_NAMES = """
af Afrikaans|am Amharic|ang Old English|ar Arabic|arq Algerian Arabic|arz Egyptian Arabic|ast Asturian|awa Awadhi
az Azerbaijani|be Belarusian|ber Berber|bg Bulgarian|bn Bengali|br Breton|bs Bosnian|ca Catalan|cbk Chavacano
ceb Cebuano|ch Chamorro|cs Czech|csb Kashubian|cy Welsh|da Danish|de German|dsb Lower Sorbian|dtp Kadazandusun
el Greek|en English|eo Esperanto|es Spanish|et Estonian|eu Basque|fa Persian|fi Finnish|fil Filipino|fo Faroese
fr French|fy Frisian|ga Irish|gd Scottish Gaelic|gl Galician|gsw Swiss German|gu Gujarati|ha Hausa|he Hebrew|hi Hindi
hr Croatian|hsb Upper Sorbian|hu Hungarian|hy Armenian|ia Interlingua|id Indonesian|ie Interlingue|io Ido
is Icelandic|it Italian|ja Japanese|jv Javanese|ka Georgian|kab Kabyle|kk Kazakh|km Khmer|kn Kannada|ko Korean
ku Kurdish|kw Cornish|la Latin|lfn Lingua Franca Nova|lo Lao|lt Lithuanian|lv Latvian|max North Moluccan Malay
mhr Meadow Mari|mk Macedonian|ml Malayalam|mn Mongolian|mr Marathi|ms Malay|my Burmese|nb Norwegian Bokmål
nds Low German|ne Nepali|nl Dutch|nn Norwegian Nynorsk|no Norwegian|nov Novial|oc Occitan|orv Old East Slavic
pa Punjabi|pam Kapampangan|pl Polish|pms Piedmontese|ps Pashto|pt Portuguese|ro Romanian|ru Russian|si Sinhala
sk Slovak|sl Slovenian|so Somali|sq Albanian|sr Serbian|sv Swedish|sw Swahili|swg Swabian|ta Tamil|te Telugu
tg Tajik|th Thai|tk Turkmen|tl Tagalog|tr Turkish|tt Tatar|tzl Talossan|ug Uyghur|uk Ukrainian|ur Urdu|uz Uzbek
vi Vietnamese|war Waray|wuu Wu Chinese|xh Xhosa|yi Yiddish|yo Yoruba|yue Cantonese|zh Chinese|zu Zulu
zh-Hant Traditional Chinese|zh-TW Chinese (Taiwan)|pt-PT European Portuguese|mul all languages|und unknown
"""
LANGUAGE_NAMES = {
    entry.split(" ", 1)[0]: entry.split(" ", 1)[1] for line in _NAMES.split("\n") for entry in line.split("|") if entry
}


def language_name(code: str) -> str:
    """Return the English name of a language, or its code where the name is not known here.

    >>> language_name("sw"), language_name("xyz")
    ('Swahili', 'xyz')
    """
    return LANGUAGE_NAMES.get(code, code)
