"""What the tools that people have write, each taken in with one command. The README's table names the same commands."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mling_embed.cli import main
from mling_embed.corpora.parallel import ParallelCorpus

ENGLISH = ("The train leaves at nine.", "I forgot that umbrella, and it rains.", 'She said: "This is it."')
GERMAN = ("Der Zug fährt um neun ab.", "Ich habe den Schirm vergessen, und es regnet.", "Sie sagte: „Das ist es.“")
FRENCH = ("Le train part à neuf heures.", "J'ai oublié le parapluie, et il pleut.", "Elle a dit : « C'est ça. »")
ROWS = list(zip(ENGLISH, GERMAN, strict=True))

Maker = Callable[[Path], None]


def tsv(*columns: tuple[str, ...], header: str = "") -> str:
    return (f"{header}\n" if header else "") + "".join("\t".join(row) + "\n" for row in zip(*columns, strict=True))


def quoted(delimiter: str, *rows: tuple[str, ...], every: bool = True, end: str = "\r\n") -> str:
    def cell(text: str) -> str:
        needed = every or any(mark in text for mark in ('"', delimiter, ","))
        return '"' + text.replace('"', '""') + '"' if needed else text

    return "".join(delimiter.join(map(cell, row)) + end for row in rows)


def tmx(
    english: str, german: str, *, head: str = "", attribute: str = "xml:lang", inner: str = "{}", props: str = ""
) -> str:
    def escaped(text: str) -> str:
        return inner.format(text.replace("&", "&amp;").replace("<", "&lt;"))

    units = "".join(
        f'<tu tuid="{i}">{props}<tuv {attribute}="{english}">{props}<seg>{escaped(a)}</seg></tuv>'
        f'<tuv {attribute}="{german}"><seg>{escaped(b)}</seg></tuv></tu>\n'
        for i, (a, b) in enumerate(ROWS)
    )
    start = f'<?xml version="1.0" encoding="UTF-8"?>\n{head}<tmx version="1.4">\n<header srclang="{english}"/>'
    return f"{start}<body>\n{units}</body></tmx>\n"


def po(language: str, texts: tuple[str, ...]) -> str:
    entries = "".join(
        f"\n#: app.py:{i}\nmsgid {json.dumps(a)}\nmsgstr {json.dumps(b, ensure_ascii=False)}\n"
        for i, (a, b) in enumerate(zip(ENGLISH, texts, strict=True))
    )
    return f'msgid ""\nmsgstr ""\n"Language: {language}\\n"\n"Content-Type: text/plain; charset=UTF-8\\n"\n{entries}'


def plain(name: str, text: str, encoding: str = "utf-8", pack: Callable[[bytes], bytes] = bytes) -> Maker:
    return lambda folder: (folder / name).write_bytes(pack(text.encode(encoding))) and None


def zipped(name: str, members: dict[str, str]) -> Maker:
    def make(folder: Path) -> None:
        with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, text in members.items():
                archive.writestr(member, text)

    return make


def tarred(name: str, members: dict[str, str]) -> Maker:
    def make(folder: Path) -> None:
        with tarfile.open(folder / name, "w:gz") as archive:
            for member, text in members.items():
                info = tarfile.TarInfo(member)
                info.size = len(text.encode())
                archive.addfile(info, io.BytesIO(text.encode()))

    return make


def tree(folder: Path) -> None:
    for language, texts in (("de", GERMAN), ("fr", FRENCH)):
        place = folder / "locale" / language / "LC_MESSAGES"
        place.mkdir(parents=True)
        (place / "django.po").write_text(po(language, texts), encoding="utf-8")
        (place / "django.mo").write_bytes(b"\xde\x12\x04\x95")
    (folder / "locale" / "django.pot").write_text(po("", ("", "", "")), encoding="utf-8")


def parquet(*names: str) -> Maker:
    def make(folder: Path) -> None:
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            rows = [{"en": a, "de": b} for a, b in ROWS[names.index(name) :: len(names)]]
            pq.write_table(pa.table({"id": list(range(len(rows))), "translation": rows}), folder / name)

    return make


def lines(texts: tuple[str, ...]) -> str:
    return "\n".join(texts) + "\n"


URLS = tuple(f"https://example.org/{i}" for i in range(3))
SCORES = ("1.0921", "1.0712", "1.0611")
RTF = '<bpt i="1" x="1">{{\\b </bpt>{}<ept i="1">}}</ept>'
DTD = '<!DOCTYPE tmx SYSTEM "tmx14.dtd">\n'
ATTRIBUTION = ("CC-BY 2.0 (France) Attribution: tatoeba.org #1 (CM) & #2 (x)",) * 3

# Tool, how its file is made, the word after --pairs, the languages that come out.
EXPORTS: list[tuple[str, Maker, str, set[str]]] = [
    (
        "OPUS, Moses",
        zipped(
            "de-en.txt.zip",
            {
                "README": "OPUS",
                "LICENSE": "x",
                "Books.de-en.de": lines(GERMAN),
                "Books.de-en.en": lines(ENGLISH),
                "Books.de-en.xml": "<x/>",
            },
        ),
        "de-en.txt.zip",
        {"de"},
    ),
    ("OPUS, TMX", plain("de-en.tmx.gz", tmx("en", "de"), pack=gzip.compress), "de-en.tmx.gz", {"de"}),
    (
        "Europarl",
        tarred("de-en.tgz", {"europarl-v7.de-en.de": lines(GERMAN), "europarl-v7.de-en.en": lines(ENGLISH)}),
        "de-en.tgz",
        {"de"},
    ),
    (
        "WMT, two files",
        lambda folder: (
            [
                (folder / f"train.{end}").write_text(lines(texts), "utf-8")
                for end, texts in (("en", ENGLISH), ("de", GERMAN))
            ]
            and None
        ),
        "train.en,train.de",
        {"de"},
    ),
    (
        "Tatoeba, sentence pairs",
        plain(
            "Sentence pairs in English-German - 2026-05-01.tsv",
            tsv(("1276", "1277", "1278"), ENGLISH, ("77", "78", "79"), GERMAN),
            "utf-8-sig",
        ),
        "Sentence pairs in English-German - 2026-05-01.tsv:de",
        {"de"},
    ),
    (
        "Tatoeba, Anki",
        zipped("deu-eng.zip", {"deu.txt": tsv(ENGLISH, GERMAN, ATTRIBUTION), "_about.txt": "about"}),
        "deu-eng.zip",
        {"de"},
    ),
    (
        "WikiMatrix",
        plain("WikiMatrix.de-en.tsv.gz", tsv(SCORES, GERMAN, ENGLISH), pack=gzip.compress),
        "WikiMatrix.de-en.tsv.gz",
        {"de"},
    ),
    (
        "CCMatrix",
        plain("CCMatrix.en-de.tsv.gz", tsv(SCORES, ENGLISH, GERMAN), pack=gzip.compress),
        "CCMatrix.en-de.tsv.gz",
        {"de"},
    ),
    (
        "CCAligned",
        plain("en_XX-de_DE.tsv.xz", tsv(ENGLISH, GERMAN, SCORES), pack=lzma.compress),
        "en_XX-de_DE.tsv.xz",
        {"de"},
    ),
    (
        "NLLB",
        plain("eng_Latn-deu_Latn.tsv", tsv(ENGLISH, GERMAN, SCORES, SCORES, SCORES, ("crawl",) * 3, URLS)),
        "eng_Latn-deu_Latn.tsv",
        {"de"},
    ),
    (
        "Bitextor, ParaCrawl",
        plain(
            "en-de.deduped.txt.gz",
            tsv(
                URLS,
                URLS,
                ENGLISH,
                GERMAN,
                SCORES,
                ("3f2a9c", "77b1d0", "a0c4e5"),
                SCORES,
                header="src_url\ttrg_url\tsrc_text\ttrg_text\tscore\thash\tbicleaner",
            ),
            pack=gzip.compress,
        ),
        "en-de.deduped.txt.gz",
        {"de"},
    ),
    (
        "ParaCrawl, TMX",
        plain(
            "en-de.tmx.gz",
            tmx("en", "de", props='<prop type="source-document">https://example.org</prop>'),
            pack=gzip.compress,
        ),
        "en-de.tmx.gz",
        {"de"},
    ),
    (
        "memoQ",
        plain("memory.tmx", tmx("en-gb", "de-de", props='<prop type="x-context">a.docx</prop>'), "utf-8-sig"),
        "memory.tmx",
        {"de"},
    ),
    (
        "Trados",
        plain("trados.tmx", tmx("EN-US", "DE-DE", head=DTD, inner=RTF).replace("UTF-8", "UTF-16"), "utf-16"),
        "trados.tmx",
        {"de"},
    ),
    (
        "OmegaT",
        plain("project_save.tmx", tmx("EN-US", "DE", head=DTD.replace("14", "11"), attribute="lang")),
        "project_save.tmx",
        {"de"},
    ),
    ("Weblate", plain("app-main-de.tmx", tmx("en", "de")), "app-main-de.tmx", {"de"}),
    ("Pontoon", plain("de.firefox.tmx", tmx("en-US", "de", props="<note>key</note>")), "de.firefox.tmx", {"de"}),
    ("gettext, a file", plain("de.po", po("", GERMAN)), "de.po", {"de"}),
    ("gettext, a tree", tree, "locale", {"de", "fr"}),
    ("Hugging Face, Parquet", parquet("train-00000-of-00001.parquet"), "train-00000-of-00001.parquet", {"de"}),
    (
        "Hugging Face, a folder",
        parquet("data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"),
        "data",
        {"de"},
    ),
    (
        "JSON lines",
        plain(
            "pairs.jsonl",
            "".join(json.dumps({"src_lang": "de", "tgt_lang": "en", "src": b, "tgt": a}) + "\n" for a, b in ROWS),
        ),
        "pairs.jsonl",
        {"de"},
    ),
    (
        "Excel, CSV with semicolons",
        plain("Mappe1.csv", quoted(";", ("English", "Deutsch"), *ROWS, every=False), "utf-8-sig"),
        "Mappe1.csv",
        {"de"},
    ),
    (
        "Excel, Unicode text",
        plain("Mappe1.txt", quoted("\t", ("English", "German"), *ROWS, every=False), "utf-16"),
        "Mappe1.txt",
        {"de"},
    ),
    (
        "LibreOffice, CSV",
        plain("table.csv", quoted(",", ("Key", "English", "German"), *(("k", *row) for row in ROWS), end="\n")),
        "table.csv",
        {"de"},
    ),
    ("a spreadsheet as TSV with quotes", plain("sheet.tsv", quoted("\t", *ROWS, end="\n")), "sheet.tsv:de", {"de"}),
    (
        "Crowdin, CSV",
        plain(
            "crowdin.csv",
            quoted(
                ",",
                ("Identifier", "Source string", "Translation"),
                *((f"key_{i}", *row) for i, row in enumerate(ROWS)),
                end="\n",
            ),
        ),
        "crowdin.csv:de",
        {"de"},
    ),
]


@pytest.mark.parametrize(("tool", "make", "word", "languages"), EXPORTS, ids=[export[0] for export in EXPORTS])
def test_one_command_takes_it_in(
    tool: str, make: Maker, word: str, languages: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path)
    assert main(["data", "build", "corpus", "--pairs", word, "--no-decontaminate"]) == 0
    corpus = ParallelCorpus.open("corpus")
    assert set(corpus.languages) == languages
    for language in languages:
        pairs = corpus.pairs(language)
        english = corpus.english_texts(pairs.english_rows)
        expected = zip(ENGLISH, GERMAN if language == "de" else FRENCH, strict=True)
        assert set(zip(english, pairs.text_list(), strict=True)) == set(expected)
