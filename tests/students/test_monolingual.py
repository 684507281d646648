"""Sentences without translations: how they are read, labelled and learned from, alone and beside pairs."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mling_embed.corpora.build import build_corpus
from mling_embed.corpora.inputs import monolingual_input
from mling_embed.corpora.parallel import ParallelCorpus
from mling_embed.distillation.config import read_config
from mling_embed.distillation.run import run
from mling_embed.encoders.loading import as_encoder, load
from mling_embed.errors import DataError, UsageError
from mling_embed.indexing.model_match import Relation, lineage
from mling_embed.students.static import LabelledText, fit_static_student
from mling_embed.students.static_of_encoder import export_static
from mling_embed.tokenizers.vocabulary import spelled_pieces, train_unigram
from mling_embed.training.settings import FitSettings
from mling_embed.training.targets import Targets, TargetStore

WORDS = [
    "cat",
    "dog",
    "house",
    "water",
    "red",
    "cold",
    "runs",
    "sleeps",
    "big",
    "small",
    "street",
    "station",
    "sees",
    "drinks",
    "morning",
    "evening",
]
FINNISH = [
    "kissa",
    "koira",
    "talo",
    "vesi",
    "punainen",
    "kylmä",
    "juoksee",
    "nukkuu",
    "iso",
    "pieni",
    "katu",
    "asema",
    "näkee",
    "juo",
    "aamu",
    "ilta",
]
FIT = FitSettings(epochs=8, batch_size=64)


def sentences(words: Sequence[str], n: int = 300) -> list[str]:
    chance = random.Random(0)
    return [" ".join(words[chance.randrange(16)] for _ in range(chance.randint(3, 8))) + f" {row}" for row in range(n)]


class Reader:
    """A multilingual encoder whose vectors are known: one direction for each word, the same for its translation."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        vectors = np.full((len(texts), 16), 1e-3, dtype=np.float32)
        for row, text in enumerate(texts):
            vectors[row, len(text) % 16] += 0.05  # of a text without known words
            for word in text.split():
                for words in (WORDS, FINNISH):
                    if word in words:
                        vectors[row, words.index(word)] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLING_EMBED_HOME", str(tmp_path / "home"))


def corpus_of(folder: Path, language: str, lines: Sequence[str]) -> ParallelCorpus:
    folder.mkdir()
    (folder / "text.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    inputs = [monolingual_input(f"{folder / 'text.txt'}:{language}")]
    return build_corpus(inputs, folder / "corpus", dev_fraction=0.0, decontaminate=False)


def test_lines_of_a_language_are_filtered_by_it_and_counted(tmp_path: Path) -> None:
    lines = ["Вокзал за рынком.", "only Latin letters here", "Вокзал за рынком.", "", "Идёт дождь.", "a\x00б"]
    corpus = corpus_of(tmp_path / "ru", "ru", lines)
    assert corpus.english_texts() == ["Вокзал за рынком.", "Идёт дождь."]
    assert corpus.info["rejected"] == {
        "control-characters": 1,
        "duplicate-pair": 1,
        "empty": 1,
        "wrong-script": 1,
    }
    assert (corpus.languages, corpus.n_pairs) == ((), 0)
    with pytest.raises(DataError, match="holds no pairs"):
        corpus.require_training_text()
    corpus.require_training_text(pairs=False)


def test_words_of_the_command_line(tmp_path: Path) -> None:
    for name in ("news.fi.txt", "plain.txt"):
        (tmp_path / name).write_text("Hyvää huomenta.\n", encoding="utf-8")
    assert monolingual_input(str(tmp_path / "news.fi.txt")).language == "fi"
    assert monolingual_input(f"{tmp_path / 'plain.txt'}:Finnish").language == "fi"
    with pytest.raises(UsageError, match="in which language"):
        monolingual_input(str(tmp_path / "plain.txt"))
    with pytest.raises(DataError, match=r"none\.txt"):
        build_corpus([monolingual_input(f"{tmp_path / 'none.txt'}:fi")], tmp_path / "corpus", decontaminate=False)


def test_targets_are_joined_in_order() -> None:
    one, two = (np.arange(n, dtype=np.float16).reshape(-1, 2) for n in (4, 6))
    first = Targets((one,), np.asarray([0, 0]), np.asarray([1, 0]), 2, computed=1)
    second = Targets((two, one), np.asarray([0, 1, 0]), np.asarray([2, 1, 0]), 2)
    joined = Targets.joined([first, second])
    np.testing.assert_array_equal(joined.matrix(), np.concatenate([first.matrix(), second.matrix()]))
    assert joined.computed == 1
    with pytest.raises(DataError, match="2, 3 dimensions"):
        Targets.joined([first, replace(second, dim=3)])


def test_pieces_are_spelled_without_their_marks() -> None:
    tokenizer = train_unigram(["the station", "the cat"] * 9, size=600)
    pieces = dict(spelled_pieces(tokenizer))
    assert {"t", "at"} <= set(pieces.values())
    assert not any(text.startswith(("▁", "<0x", "[UNK")) for text in pieces.values())
    assert all(tokenizer.id_to_token(number).replace("▁", "") == text for number, text in pieces.items())


@pytest.mark.parametrize("with_pieces", [False, True])
def test_a_language_without_pairs_is_learned_from_its_labels(with_pieces: bool, tmp_path: Path) -> None:
    english, finnish = corpus_of(tmp_path / "en", "en", sentences(WORDS)), sentences(FINNISH)
    reader = as_encoder(Reader())
    labelled = corpus_of(tmp_path / "fi", "fi", finnish)
    store = TargetStore(reader)
    targets, labels = store.compute(english.english_texts()), store.compute(labelled.english_texts())
    options: dict[str, Any] = {"size": 800, "fit": FIT, "pieces": store if with_pieces else None}
    alone = fit_static_student(english, targets, tmp_path / "a", **options)
    both = fit_static_student(
        english, targets, tmp_path / "b", monolingual=LabelledText(labelled, labels, store), **options
    )
    wanted = reader.encode(finnish)
    before, after = ((student.encode(finnish) * wanted).sum(axis=1).mean() for student in (alone, both))
    assert before < 0.5
    assert after > 0.8


def test_a_run_on_monolingual_text_beside_pairs_and_alone(tiny_teacher: Path, tmp_path: Path) -> None:
    english, finnish = sentences(WORDS), sentences(FINNISH)
    rows = [f"{one}\t{other}\n" for one, other in zip(english[:150], finnish[:150], strict=True)]
    (tmp_path / "pairs.tsv").write_text("".join(rows), encoding="utf-8")
    (tmp_path / "more.txt").write_text("\n".join(finnish[150:]) + "\n", encoding="utf-8")
    values: dict[str, Any] = {
        "out": tmp_path / "both",
        "teacher": {"name": str(tiny_teacher), "monolingual": str(tiny_teacher), "precision": "fp32"},
        "data": {
            "pairs": [f"{tmp_path / 'pairs.tsv'}:fi"],
            "monolingual": [f"{tmp_path / 'more.txt'}:fi"],
            "decontaminate": False,
        },
        "student": {"vocabulary_size": 1024},
        "fit": {"epochs": 1},
    }
    done = run(read_config(None, values))
    assert done.materials.monolingual is not None
    assert (done.corpus.n_english, done.materials.monolingual.corpus.n_english) == (150, 150)
    vocabulary = [text for _, text in spelled_pieces(load(done.model).tokenizer)]
    assert done.materials.pieces is not None
    assert done.materials.pieces.missing(vocabulary) == 0
    assert set(json.loads((done.model / "distilled_from.json").read_text())) == {
        "corpus",
        "teacher",
        "monolingual",
        "inputs",
    }
    assert "| sentences without translations | 150 |" in (done.model / "README.md").read_text(encoding="utf-8")
    assert not run(read_config(None, values)).trained
    values |= {"out": tmp_path / "alone", "teacher": {"name": str(tiny_teacher), "precision": "fp32"}}
    values["data"] = {"monolingual": [f"{tmp_path / 'more.txt'}:fi"], "decontaminate": False}
    alone = run(read_config(None, values))
    assert (alone.corpus.n_english, alone.corpus.n_pairs) == (150, 0)
    assert lineage(str(alone.model)) == {Relation.STUDENT: load(tiny_teacher, device="cpu").fingerprint}
    for student, problem in (({"kind": "transplant"}, "takes none"), ({"dimensions": 8}, "not rotated")):
        with pytest.raises(UsageError, match=problem):
            read_config(None, values | {"student": student})
    with pytest.raises(UsageError, match=r"give data\.monolingual"):
        read_config(None, values | {"data": {"pairs": ["x.tsv:fi"]}, "teacher": {"monolingual": str(tiny_teacher)}})


def test_the_static_student_of_an_encoder(tiny_teacher: Path, tmp_path: Path) -> None:
    texts = sentences(WORDS)
    (tmp_path / "text.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    made = export_static(tiny_teacher, tmp_path / "static", [f"{tmp_path / 'text.txt'}:en"], size=1024, fit=FIT)
    teacher, loaded = load(tiny_teacher, device="cpu"), load(tmp_path / "static")
    np.testing.assert_allclose(loaded.encode(texts[:9]), made.encode(texts[:9]), atol=1e-6)
    cosine = (loaded.encode(texts) * teacher.encode(texts)).sum(axis=1).mean()
    assert cosine > 0.95
    assert lineage(str(tmp_path / "static")) == {Relation.STUDENT: teacher.fingerprint}
    assert "| sentences | 300, labelled by the teacher |" in (tmp_path / "static/README.md").read_text(encoding="utf-8")
