"""The built-in phrasebook: whole, clean, rightly split, and read as training text without its own test rows."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

from mling_embed.corpora.decontamination import match_form
from mling_embed.corpora.evaluation_sentences import sentences_in_file
from mling_embed.corpora.fetching import FileState, examine
from mling_embed.corpora.manifests import Role, load_manifest, manifest_folder
from mling_embed.corpora.readers import read_input
from mling_embed.corpora.records import Pair
from mling_embed.corpora.sources import corpus_inputs
from mling_embed.evaluation.suites import load_suite
from mling_embed.evaluation.tasks.bitext import BitextTask
from mling_embed.evaluation.tasks.retrieval import RetrievalTask
from mling_embed.evaluation.tasks.sts import StsTask
from mling_embed.files import sha256_of

FOLDER = manifest_folder() / "phrasebook"
LANGUAGES = ("ar", "de", "es", "fr", "hi", "it", "ja", "pl", "pt", "ru", "sw", "tr", "zh")
STS_LANGUAGES = ("en", "de", "es", "hi", "zh")
QA_LANGUAGES = ("en", "de", "es", "hi", "ru", "zh")
SCRIPTS = {
    "ar": ("ARABIC",),
    "hi": ("DEVANAGARI",),
    "ja": ("CJK", "HIRAGANA", "KATAKANA", "IDEOGRAPHIC ITERATION MARK"),
    "ru": ("CYRILLIC",),
    "zh": ("CJK",),
}
# Latin letters that these languages really write.
LATIN_ALLOWED = {"ja": {"T", "DNA", "Wi", "Fi"}, "zh": {"T", "DNA", "Wi", "Fi"}}
# Characters per English character; Chinese and Japanese write a word in one or two.
RATIOS = {"ja": (0.2, 1.0), "zh": (0.14, 0.55)}
RATIO = (0.38, 2.7)
LATIN = tuple(language for language in LANGUAGES if language not in SCRIPTS)
SAME_WORDS_OF_TWO = {"Saudi Arabia"}


def table(name: str) -> list[dict[str, str]]:
    header, *lines = (line.split("\t") for line in (FOLDER / name).read_text("utf-8").removesuffix("\n").split("\n"))
    return [dict(zip(header, cells, strict=True)) for cells in lines]


SENTENCES, GLOSSARY, STS, QA = (table(f"{name}.tsv") for name in ("sentences", "glossary", "sts", "qa"))


def test_the_columns_and_the_numbers_of_rows_are_as_documented() -> None:
    assert list(SENTENCES[0]) == ["id", "topic", "split", "en", *LANGUAGES]
    assert list(GLOSSARY[0]) == ["id", "pos", "gloss", "en", *LANGUAGES]
    assert list(STS[0]) == ["id", "score", *(f"sentence{n}_{language}" for language in STS_LANGUAGES for n in (1, 2))]
    assert list(QA[0]) == ["id", "kind", "relevant", *QA_LANGUAGES]
    assert len(SENTENCES) >= 600
    assert len(GLOSSARY) >= 1500
    assert len(STS) == 80
    assert Counter(row["kind"] for row in QA) == {"passage": 40, "question": 40}


@pytest.mark.parametrize("rows", [SENTENCES, GLOSSARY, STS, QA], ids=["sentences", "glossary", "sts", "qa"])
def test_every_cell_is_filled_trimmed_and_nfc(rows: list[dict[str, str]]) -> None:
    assert len({row["id"] for row in rows}) == len(rows)
    may_be_empty = {"gloss", "relevant"}
    bad = [
        (row["id"], column)
        for row in rows
        for column, cell in row.items()
        if (not cell and column not in may_be_empty)
        or cell != " ".join(cell.split())
        or not unicodedata.is_normalized("NFC", cell)
        or any(unicodedata.category(letter) in ("Cc", "Cf", "Co", "Cn") for letter in cell)
    ]
    assert bad == []


@pytest.mark.parametrize("name", ["sentences.tsv", "glossary.tsv", "sts.tsv", "qa.tsv"])
def test_files_end_with_one_line_feed_and_have_no_other_line_ends(name: str) -> None:
    data = (FOLDER / name).read_bytes()
    assert data.endswith(b"\n")
    assert not data.endswith(b"\n\n")
    assert b"\r" not in data
    assert not data.startswith(b"\xef\xbb\xbf")


def test_splits_are_disjoint_sized_and_spread_over_all_topics() -> None:
    assert Counter(row["split"] for row in SENTENCES) == {"train": 430, "dev": 100, "test": 100}
    topics = {row["topic"] for row in SENTENCES}
    for split in ("dev", "test"):
        counts = Counter(row["topic"] for row in SENTENCES if row["split"] == split)
        assert set(counts) == topics
        assert set(counts.values()) <= {5, 6}
    for column in ("en", *LANGUAGES):
        forms = Counter(match_form(row[column]) for row in SENTENCES)
        assert [form for form, count in forms.items() if count > 1] == []


def test_the_halves_of_a_minimal_pair_are_in_one_split_and_differ_in_one_place() -> None:
    pairs: dict[str, list[dict[str, str]]] = {}
    for row in SENTENCES:
        if row["id"][-1] in "ab":
            pairs.setdefault(row["id"][:-1], []).append(row)
    assert len(pairs) >= 30
    for halves in pairs.values():
        assert [half["id"][-1] for half in halves] == ["a", "b"]
        assert len({half["split"] for half in halves}) == len({half["topic"] for half in halves}) == 1
        first, second = (Counter(re.findall(r"\w+", half["en"].casefold())) for half in halves)
        assert (first - second).total() <= 3
        assert (second - first).total() <= 3


def test_english_sentences_have_3_to_25_words() -> None:
    assert [row["id"] for row in SENTENCES if not 3 <= len(row["en"].split()) <= 25] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_letters_are_of_the_language_s_script(language: str) -> None:
    texts = [row[language] for rows in (SENTENCES, GLOSSARY) for row in rows]
    texts += [row[f"sentence{n}_{language}"] for row in STS for n in (1, 2) if language in STS_LANGUAGES]
    texts += [row[language] for row in QA if language in QA_LANGUAGES]
    latin = set(re.findall(r"[A-Za-z]+", " ".join(texts)))
    if language in SCRIPTS:
        assert latin <= LATIN_ALLOWED.get(language, set())
    letters = {letter for letter in "".join(texts) if letter.isalpha()} - set("".join(latin))
    names = SCRIPTS.get(language, ("LATIN",))
    assert {letter for letter in letters if not unicodedata.name(letter).startswith(names)} == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_lengths_are_plausible(language: str) -> None:
    low, high = RATIOS.get(language, RATIO)
    ratios = {row["id"]: len(row[language]) / len(row["en"]) for row in SENTENCES}
    assert {key: ratio for key, ratio in ratios.items() if not low <= ratio <= high} == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_numbers_and_the_kind_of_sentence_are_kept(language: str) -> None:
    def numbers(text: str) -> set[str]:
        return set(re.findall(r"\d+", re.sub(r"(?<=\d)[., ](?=\d{3})", "", text)))

    kinds = {"?": "?", "？": "?", "؟": "?", "!": "!", "！": "!", ".": ".", "。": ".", "।": "."}
    assert [row["id"] for row in SENTENCES if not numbers(row["en"]) <= numbers(row[language])] == []
    assert [row["id"] for row in SENTENCES if kinds[row["en"][-1]] != kinds[row[language][-1]]] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_a_copy_of_the_english_but_words_that_are_the_same(language: str) -> None:
    assert [row["id"] for row in SENTENCES if match_form(row["en"]) == match_form(row[language])] == []
    same = [row["en"] for row in GLOSSARY if match_form(row["en"]) == match_form(row[language])]
    assert {text for text in same if " " in text} <= SAME_WORDS_OF_TWO
    assert len(same) <= (0.1 * len(GLOSSARY) if language in LATIN else 0)


def test_the_glossary_keeps_its_glosses_out_of_the_text() -> None:
    assert [row["id"] for row in GLOSSARY for column in ("en", *LANGUAGES) if set(row[column]) & set("()（）/")] == []
    assert sum(bool(row["gloss"]) for row in GLOSSARY) >= 300
    assert len({(row["en"], row["gloss"], row["pos"]) for row in GLOSSARY}) == len(GLOSSARY)


@pytest.mark.parametrize("column", ["en", *LANGUAGES])
def test_training_text_holds_no_sentence_that_is_evaluated(column: str) -> None:
    held_out = {match_form(row[column]) for row in SENTENCES if row["split"] != "train"}
    held_out |= {match_form(row.get(f"sentence{n}_{column}", "")) for row in STS for n in (1, 2)}
    held_out |= {match_form(row.get(column, "")) for row in QA}
    trained = [row[column] for row in SENTENCES if row["split"] == "train"] + [row[column] for row in GLOSSARY]
    assert [text for text in trained if match_form(text) in held_out] == []


def test_grades_are_from_0_to_5_in_half_steps_and_all_are_used() -> None:
    grades = [float(row["score"]) for row in STS]
    assert all(0 <= grade <= 5 and (2 * grade).is_integer() for grade in grades)
    assert {0, 1, 2, 3, 4, 5} <= set(grades)
    pairs = {(row["sentence1_en"], row["sentence2_en"]) for row in STS}
    assert len(pairs) == len(STS)
    assert "0 to 5" in (FOLDER / "STS_GUIDELINE.md").read_text("utf-8")


def test_the_passages_that_answer_a_question_are_there() -> None:
    passages = {row["id"] for row in QA if row["kind"] == "passage"}
    for row in QA:
        relevant = row["relevant"].split(",") if row["relevant"] else []
        assert set(relevant) <= passages
        assert bool(relevant) == (row["kind"] == "question")
        assert not (row["kind"] == "passage" and re.findall(r"[.!?](?= |$)", row["en"])[4:])


def test_the_manifest_names_every_file_as_it_is() -> None:
    manifest = load_manifest("phrasebook")
    assert (manifest.license, manifest.commercial_use) == ("CC0-1.0", True)
    assert set(manifest.languages) == {"en", *LANGUAGES}
    assert {file.path for file in manifest.files()} == {
        path for path in FOLDER.iterdir() if path.name != "manifest.toml"
    }
    for file in manifest.files():
        assert file.path is not None
        assert (file.sha256, file.bytes) == (sha256_of(file.path), file.path.stat().st_size)
        assert examine(file).state is FileState.OK


def pairs_of(role: Role, language: str) -> list[tuple[str, str | None]]:
    inputs = corpus_inputs(load_manifest("phrasebook"), languages=[language], role=role, download=False)
    rows = [row for source in inputs for _, row in read_input(source)]
    assert all(isinstance(row, Pair) and row.language == language for row in rows)
    return [(row.english, row.other) for row in rows if isinstance(row, Pair)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_training_pairs_are_the_train_rows_and_the_glossary(language: str) -> None:
    expected = [(row["en"], row[language]) for row in SENTENCES if row["split"] == "train"]
    assert pairs_of(Role.TRAIN, language) == expected + [(row["en"], row[language]) for row in GLOSSARY]
    for role in (Role.DEV, Role.TEST):
        assert pairs_of(role, language) == [(row["en"], row[language]) for row in SENTENCES if row["split"] == role]


def test_decontamination_knows_the_test_rows_alone() -> None:
    files = load_manifest("phrasebook").files(Role.TEST)
    known = {text for file in files for text in sentences_in_file(file, Path(file.path or ""))}
    expected = {row[column] for row in SENTENCES if row["split"] == "test" for column in ("en", *LANGUAGES)}
    expected |= {cell for row in STS for column, cell in row.items() if column.startswith("sentence")}
    expected |= {row[language] for row in QA for language in QA_LANGUAGES}
    assert known == expected


def test_every_path_of_evaluation_has_its_default() -> None:
    tasks = load_suite("phrasebook")
    counts = Counter(type(task) for task in tasks)
    assert counts == {BitextTask: 13, StsTask: 9, RetrievalTask: 6}
    assert {len(task.source_texts) for task in tasks if isinstance(task, BitextTask)} == {100}
