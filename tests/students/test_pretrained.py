"""A pretrained student starts in the teacher's space, with one prompt, and never ends below its start."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling

from mling_embed.corpora.build import build_corpus
from mling_embed.corpora.inputs import guess_input
from mling_embed.corpora.parallel import ParallelCorpus, Split
from mling_embed.distillation.config import read_config
from mling_embed.distillation.run import run
from mling_embed.encoders.anatomy import encoder_layers, token_embedding
from mling_embed.encoders.contract import PromptRole
from mling_embed.encoders.loading import load, load_sentence_transformer
from mling_embed.encoders.transformer import TransformerEncoder
from mling_embed.errors import UsageError
from mling_embed.students.closed_form import HeadKind
from mling_embed.students.head_sample import sample_pairs
from mling_embed.students.pretrained import (
    one_prompt,
    starting_student,
    student_of_english,
    with_closed_form_head,
    with_wider_pooling,
)
from mling_embed.training.dev_accuracy import DevAccuracy, NeverBelowStart
from mling_embed.training.state import TrainingState
from mling_embed.training.targets import Targets
from mling_embed.training.training_set import training_sentences

WORDS = ["cat", "dog", "house", "water", "red", "cold", "sleeps", "small", "street", "sees", "drinks", "bread"]
OTHER = ["katze", "hund", "haus", "wasser", "rot", "kalt", "ruht", "klein", "gasse", "sieht", "trinkt", "brot"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLING_EMBED_HOME", str(tmp_path / "home"))


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    chance, path = random.Random(7), tmp_path / "pairs.tsv"
    with path.open("w", encoding="utf-8") as file:
        for row in range(300):
            places = [chance.randrange(len(WORDS)) for _ in range(chance.randint(3, 8))]
            english, german = (" ".join(side[place] for place in places) for side in (WORDS, OTHER))
            file.write(f"{english} number {row}\t{german} nummer {row}\n")
    return path


@pytest.fixture
def corpus(pairs: Path, tmp_path: Path) -> ParallelCorpus:
    return build_corpus([guess_input(f"{pairs}:de")], tmp_path / "corpus", dev_fraction=0.2, decontaminate=False)


@pytest.fixture
def prompted(tiny_teacher: Path, tmp_path: Path) -> Path:
    """Save a student whose folder has a prompt for queries and another for passages, and no default."""
    model = load_sentence_transformer(tiny_teacher, device="cpu")
    model.prompts = {"query": "query: ", "passage": "passage: "}
    model.save(str(tmp_path / "prompted"), create_model_card=False)
    return tmp_path / "prompted"


def targets_like(student: SentenceTransformer, corpus: ParallelCorpus, *, width: int = 24) -> Targets:
    """Return targets that an affine map of the student's own vectors would meet: unit-norm, of another space."""
    vectors = TransformerEncoder(student).encode(corpus.english_texts())
    mixed = (vectors - vectors.mean(axis=0)) @ np.random.default_rng(3).normal(size=(vectors.shape[1], width))
    matrix = (mixed / np.linalg.norm(mixed, axis=1, keepdims=True)).astype(np.float16)
    rows = np.arange(len(matrix))
    return Targets((matrix,), np.zeros_like(rows), rows, width)


def cosines(student: SentenceTransformer, corpus: ParallelCorpus, targets: Targets, split: Split) -> np.ndarray:
    rows = corpus.english_rows(split)
    vectors = TransformerEncoder(student).encode(corpus.english_texts(rows))
    wanted = targets.take(rows).astype(np.float32)
    return (vectors * wanted).sum(axis=1) / np.linalg.norm(vectors, axis=1) / np.linalg.norm(wanted, axis=1)


def test_it_starts_in_the_teachers_space(tiny_teacher: Path, corpus: ParallelCorpus) -> None:
    student = load_sentence_transformer(tiny_teacher, device="cpu")
    targets = targets_like(student, corpus)
    start, fitted = starting_student(str(tiny_teacher), corpus, targets, unit_norm=True)
    # Sentences that the head was not fitted to; half of what it was fitted to are German, and this encoder knows none.
    assert cosines(start, corpus, targets, Split.DEV).mean() > 0.85
    assert [type(module) for module in list(start)[1:]] == [Pooling, Dense, Normalize]
    assert start.get_embedding_dimension() == targets.dim == 24
    assert fitted.trials
    assert start.similarity_fn_name == "cosine"


def test_a_teacher_of_any_length_gets_no_normalisation(tiny_teacher: Path, corpus: ParallelCorpus) -> None:
    targets = targets_like(load_sentence_transformer(tiny_teacher, device="cpu"), corpus)
    start, fitted = starting_student(str(tiny_teacher), corpus, targets, unit_norm=False)
    assert isinstance(start[-1], Dense)
    assert HeadKind.TRAINED not in {trial.kind for trial in fitted.trials}  # it would leave lengths to chance


def test_the_folder_is_loaded_by_plain_sentence_transformers(
    prompted: Path, corpus: ParallelCorpus, reloaded: Callable[[Any], Any]
) -> None:
    targets = targets_like(load_sentence_transformer(prompted, device="cpu"), corpus)
    start, _ = starting_student(str(prompted), corpus, targets, unit_norm=True)
    texts = corpus.english_texts(np.arange(8))
    plain, ours = reloaded(start), TransformerEncoder(start)
    expected = ours.encode(texts)
    for encode in (plain.encode, plain.encode_query, plain.encode_document):  # one prompt, whatever a text is
        np.testing.assert_allclose(encode(texts), expected, atol=1e-5)
    for role in PromptRole:
        np.testing.assert_allclose(ours.encode(texts, role=role), expected, atol=1e-6)
    assert np.abs(plain.encode(texts, prompt="") - expected).max() > 1e-3


@pytest.mark.parametrize(("given", "expected"), [(None, "query: "), ("", ""), ("text: ", "text: ")])
def test_the_prompt_is_that_of_queries_or_as_given(prompted: Path, given: str | None, expected: str) -> None:
    model = load_sentence_transformer(prompted, device="cpu")
    one_prompt(model, given)
    assert TransformerEncoder(model).prompt == expected
    assert set(TransformerEncoder(model).prompts.values()) == {expected}


def test_a_default_prompt_goes_before_that_of_queries(prompted: Path) -> None:
    model = load_sentence_transformer(prompted, device="cpu")
    model.default_prompt_name = "passage"
    one_prompt(model)
    assert TransformerEncoder(model).prompt == "passage: "


def test_training_sentences_have_the_prompt_before_them(prompted: Path, corpus: ParallelCorpus) -> None:
    student = load_sentence_transformer(prompted, device="cpu")
    sentences = training_sentences(corpus, student.tokenizer.backend_tokenizer, prompt="query: ")
    text = corpus.english_texts(corpus.english_rows(Split.TRAIN)[:1])[0]
    first = sentences.bags.ids[: sentences.bags.starts[1]].tolist()
    assert first == student.tokenizer(f"query: {text}", add_special_tokens=False)["input_ids"]


def test_pooling_is_widened_only_where_it_is_all_there_is(tiny_teacher: Path) -> None:
    model = load_sentence_transformer(tiny_teacher, device="cpu")
    wider = with_wider_pooling(model)
    texts = ["the cat", "where is the station"]
    both, mean = wider.encode(texts), model.encode(texts)
    assert both.shape == (2, 64)
    np.testing.assert_allclose(both[:, :32] / np.linalg.norm(both[:, :32], axis=1, keepdims=True), mean, atol=1e-6)
    assert isinstance(model[1], Pooling)
    assert model[1].pooling_mode == "mean"  # the one given is as it was
    headed = SentenceTransformer(modules=[*model, Dense(32, 8)], device="cpu")
    assert with_wider_pooling(headed).encode(texts).shape == (2, 8)


def test_the_second_pooling_is_kept_where_the_head_reads_it(tiny_teacher: Path, corpus: ParallelCorpus) -> None:
    student = load_sentence_transformer(tiny_teacher, device="cpu")
    first = SentenceTransformer(modules=[student[0], Pooling(32, pooling_mode="cls"), Normalize()], device="cpu")
    targets = targets_like(first, corpus)
    start, fitted = with_closed_form_head(student, sample_pairs(corpus), targets, unit_norm=True)
    assert isinstance(start[1], Pooling)
    assert start[1].pooling_mode == ("mean", "cls")
    assert fitted.head.weight.shape == (24, 64)
    assert cosines(start, corpus, targets, Split.DEV).mean() > 0.85


def test_vectors_are_encoded_once(tiny_teacher: Path, corpus: ParallelCorpus) -> None:
    targets = targets_like(load_sentence_transformer(tiny_teacher, device="cpu"), corpus)
    works: list[tuple[str, int, int | None]] = []

    def start() -> SentenceTransformer:
        student, _ = starting_student(
            str(tiny_teacher), corpus, targets, unit_norm=True, progress=lambda *work: works.append(work)
        )
        return student

    first = start()
    n = len(sample_pairs(corpus))
    assert [work for work in works if work[0].startswith("the student's")] == [
        ("the student's own vectors", 0, n),
        ("the student's own vectors", n, n),
    ]
    works.clear()
    again = start()
    assert works[0] == ("the student's own vectors", n, n)
    for name, weight in first.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], weight, rtol=0, atol=0)


def test_a_start_that_is_pruned_and_trimmed(prompted: Path, corpus: ParallelCorpus) -> None:
    student = load_sentence_transformer(prompted, device="cpu")
    targets, texts = targets_like(student, corpus), corpus.english_texts(np.arange(10))
    whole, _ = starting_student(str(prompted), corpus, targets, unit_norm=True)
    trimmed, _ = starting_student(str(prompted), corpus, targets, unit_norm=True, trim=True)
    assert len(trimmed.tokenizer) < len(student.tokenizer)
    assert "q" in trimmed.tokenizer.get_vocab()  # of the prompt alone
    np.testing.assert_allclose(trimmed.encode(texts), whole.encode(texts), atol=1e-4)
    for layers in (1, (1,)):
        start, _ = starting_student(str(prompted), corpus, targets, unit_norm=True, layers=layers)
        assert len(encoder_layers(start)) == 1
        assert start.encode(texts).shape == (10, 24)
    kept, (_, second) = encoder_layers(start)[0], encoder_layers(student)
    for name, weight in kept.state_dict().items():
        torch.testing.assert_close(weight, second.state_dict()[name], rtol=0, atol=0)


def test_english_alone_gives_a_student(tiny_teacher: Path, prompted: Path, corpus: ParallelCorpus) -> None:
    teacher = load(tiny_teacher, device="cpu")
    texts = corpus.english_texts(corpus.english_rows(Split.TRAIN))
    start, fitted = student_of_english(str(prompted), [*texts, *texts], teacher)
    held_out = corpus.english_texts(corpus.english_rows(Split.DEV))
    assert (TransformerEncoder(start).encode(held_out) * teacher.encode(held_out)).sum(axis=1).mean() > 0.95
    assert fitted.trials
    assert isinstance(start[-1], Normalize)
    assert TransformerEncoder(start).prompt == "query: "


class Dev(DevAccuracy):
    """Give the scores that a test wants, teacher's index and own."""

    def __init__(self, *scores: tuple[float, float]) -> None:
        self.scores = list(scores)

    def both_indices(self, student: SentenceTransformer) -> tuple[float, float]:
        return self.scores.pop(0)


def test_what_the_own_index_loses_is_no_gain(
    tiny_teacher: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    student = load_sentence_transformer(tiny_teacher, device="cpu")
    dev = Dev((0.80, 0.95), (0.85, 0.945), (0.90, 0.93), (0.70, 0.90))
    measure = NeverBelowStart(dev, tmp_path / "start.json")
    assert measure(student, TrainingState()) == 0.80
    assert measure(student, TrainingState(step=1)) == 0.85  # lost half a point: allowed
    resumed = NeverBelowStart(dev, tmp_path / "start.json")
    assert resumed(student, TrainingState(step=2)) == 0.80
    assert "own index fell from 0.9500 to 0.9300" in caplog.text
    assert resumed(student, TrainingState(step=3)) == 0.70


def test_both_indices_by_hand(tiny_teacher: Path, corpus: ParallelCorpus) -> None:
    student = load_sentence_transformer(tiny_teacher, device="cpu")
    table = corpus.pairs("de", Split.DEV)
    matrix = np.zeros((corpus.n_english, 32), dtype=np.float16)
    matrix[table.english_rows] = TransformerEncoder(student).encode(table.text_list())
    rows = np.arange(len(matrix))
    dev = DevAccuracy(corpus, Targets((matrix,), np.zeros_like(rows), rows, 32))
    texts, _, english = dev.languages["de"]
    scores = student.encode(texts) @ student.encode(english).T
    teacher, own = dev.both_indices(student)
    assert teacher == 1.0
    assert own == pytest.approx((scores.argmax(axis=1) == np.arange(len(texts))).mean())
    assert dev(student, TrainingState()) == teacher


def config_of(out: Path, pairs: Path, student: Path, teacher: Path, **train: Any) -> Any:
    values = {
        "out": out,
        "teacher": {"name": str(teacher)},
        "data": {"pairs": [f"{pairs}:de"], "dev_fraction": 0.2, "decontaminate": False},
        "student": {"kind": "pretrained", "name": str(student)},
        "train": {"bf16": False, **train},
    }
    return read_config(None, values)


def test_defaults_depend_on_the_start(tmp_path: Path, pairs: Path, tiny_teacher: Path) -> None:
    config = config_of(tmp_path / "run", pairs, tiny_teacher, tiny_teacher, contrastive_weight=0.2)
    found = config.train.learning_rate, config.train.embedding_learning_rate, config.train.contrastive_weight
    assert found == (5e-5, 0.0, 0.2)
    assert "learning_rate = 5e-05" in config.to_toml()
    other = read_config(None, {"out": tmp_path, "data": {"pairs": ["a.tsv:de"]}, "student": {"kind": "transplant"}})
    assert (other.train.learning_rate, other.train.embedding_learning_rate) == (3e-4, 2e-3)


@pytest.mark.parametrize("setting", ["student.prompt='query: '", "student.head_pairs=100"])
def test_settings_of_a_pretrained_student_are_refused_of_others(setting: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="prompt and head_pairs are of a pretrained student"):
        read_config(None, {"out": tmp_path, "data": {"pairs": ["a.tsv:de"]}}, [setting])


def test_no_step_gives_the_closed_form(tmp_path: Path, pairs: Path, prompted: Path, tiny_teacher: Path) -> None:
    done = run(config_of(tmp_path / "run", pairs, prompted, tiny_teacher, max_steps=0))
    start, fitted = starting_student(str(prompted), done.corpus, done.targets, unit_norm=True)
    texts = done.corpus.english_texts(np.arange(6))
    np.testing.assert_allclose(done.student.encode(texts), TransformerEncoder(start).encode(texts), atol=1e-6)
    lines = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text(encoding="utf-8").splitlines()]
    (logged,) = [line["head"] for line in lines if "head" in line]
    assert logged[0]["kind"] == fitted.kind


def test_a_training_that_spoils_ends_with_its_start(
    tmp_path: Path, pairs: Path, tiny_teacher: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The student is the teacher's own body on English: rates that wreck it leave nothing better than its start."""
    out, rates = tmp_path / "run", {"learning_rate": 0.5, "embedding_learning_rate": 0.0}
    with caplog.at_level(logging.WARNING):
        done = run(config_of(out, pairs, tiny_teacher, tiny_teacher, max_steps=3, eval_steps=1, **rates))
    assert "so the start is kept" in caplog.text
    (start,) = out.glob("checkpoints/*/start")
    kept, trained = load_sentence_transformer(start, device="cpu"), load_sentence_transformer(done.model, device="cpu")
    for name, weight in kept.state_dict().items():
        torch.testing.assert_close(trained.state_dict()[name], weight, rtol=0, atol=0)


def test_a_frozen_table_stays_as_it_is(tmp_path: Path, pairs: Path, tiny_teacher: Path) -> None:
    done = run(config_of(tmp_path / "run", pairs, tiny_teacher, tiny_teacher, max_steps=2, learning_rate=1e-3))
    before, after = (
        load_sentence_transformer(folder, device="cpu")
        for folder in (next((tmp_path / "run").glob("checkpoints/*/start")), done.model)
    )
    torch.testing.assert_close(token_embedding(after).weight, token_embedding(before).weight, rtol=0, atol=0)
