"""Languages in the names of files."""

from __future__ import annotations

import pytest

from mling_embed.corpora.file_names import foreign_pair_in_name, language_in_name, language_of_side, pair_in_name


@pytest.mark.parametrize(
    ("name", "pair"),
    [
        ("news.de-en.tsv", ("de", "en")),
        ("WikiMatrix.en-pt_BR.tsv.gz", ("en", "pt-BR")),
        ("corpus-en-de.tsv", ("en", "de")),
        ("eng_Latn-deu_Latn.tsv", ("en-Latn", "de-Latn")),
        ("x.en-ceb.tsv", ("en", "ceb")),
        ("a/b!N.de-en.en", ("de", "en")),
        ("EN-DE.tsv", ("en", "de")),
        ("en-de.tmx.gz", ("en", "de")),
        ("en-CA.tsv", None),
        ("en-GB.tsv", None),
        ("de-fr.tsv", None),
        ("well-known.tsv", None),
    ],
)
def test_pairs(name: str, pair: tuple[str, str] | None) -> None:
    assert pair_in_name(name) == pair


@pytest.mark.parametrize(
    ("name", "pair"),
    [
        ("de-fr.tsv", ("de", "fr")),
        ("news.ja_ko.tsv.gz", ("ja", "ko")),
        ("de-en.tsv", None),
        ("pt-br.tsv", None),
        ("pt-BR.tsv", None),
        ("de-de.tsv", None),
        ("x.well-known.tsv", None),
    ],
)
def test_pairs_without_english(name: str, pair: tuple[str, str] | None) -> None:
    assert foreign_pair_in_name(name) == pair


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("x.de.gz", "de"),
        ("x.de.tsv", "de"),
        ("de.po", "de"),
        ("pt-BR.jsonl", "pt-BR"),
        ("x.en.tsv", None),
        ("x.deu.tsv", None),  # a word of three letters may be anything
        ("x.de-fr.tsv", None),
        ("data.2024.tsv", None),
        ("tsv", None),
        ("", None),
    ],
)
def test_languages(name: str, language: str | None) -> None:
    assert language_in_name(name) == language


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("N.de-en.de", "de"),
        ("train.tok.en.gz", "en"),
        ("en.txt", "en"),
        ("x.ceb", "ceb"),
        ("a.src", None),
        ("b.txt", None),
    ],
)
def test_sides(name: str, language: str | None) -> None:
    assert language_of_side(name) == language
