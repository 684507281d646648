"""A student learns another language: which vocabulary it gets, what it reads again, what it remembers."""

from __future__ import annotations

import json
import logging
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse

from mling_embed.corpora.build import build_corpus
from mling_embed.corpora.inputs import guess_input
from mling_embed.corpora.parallel import ParallelCorpus, Split
from mling_embed.distillation.config import read_config
from mling_embed.distillation.run import run
from mling_embed.encoders.anatomy import replace_token_embedding, token_embedding
from mling_embed.encoders.loading import load_sentence_transformer
from mling_embed.encoders.model_folder import write_model
from mling_embed.encoders.static import StaticEncoder
from mling_embed.encoders.vocabulary_change import extend_vocabulary
from mling_embed.errors import DamagedFileError, DataError, UsageError
from mling_embed.students.extended import (
    add_vocabulary,
    coverage_of,
    student_to_extend,
)
from mling_embed.students.forgetting import Forgetting, LanguageChange, LanguageRole, NewBesideOld
from mling_embed.students.replay import replay_set, replayed_pairs
from mling_embed.students.row_initialization import align_rows, association
from mling_embed.tokenizers.tokenizer_json import plain_tokenizer, read_state, token_ids
from mling_embed.tokenizers.vocabulary import train_unigram, with_special_tokens
from mling_embed.training.dev_accuracy import DevAccuracy
from mling_embed.training.state import TrainingState
from mling_embed.training.targets import Targets

DICTIONARY = """\
cat katze chat γάτα
dog hund chien σκύλος
house haus maison σπίτι
water wasser eau νερό
red rot rouge κόκκινο
cold kalt froid κρύο
runs rennt court τρέχει
sleeps schlaft dort κοιμάται
big gross grand μεγάλο
small klein petit μικρό
street strasse rue δρόμος
station bahnhof gare σταθμός
sees sieht voit βλέπει
drinks trinkt boit πίνει
morning morgen matin πρωί
evening abend soir βράδυ
"""
ENGLISH, *OTHERS = zip(*(line.split() for line in DICTIONARY.splitlines()), strict=True)
WORDS = dict(zip(("de", "fr", "el"), OTHERS, strict=True))
PAIRS = {"de": 260, "fr": 40, "el": 160}


def write_pairs(folder: Path) -> dict[str, Path]:
    paths = {}
    for language, words in WORDS.items():
        chance, paths[language] = random.Random(language), folder / f"{language}.tsv"
        with paths[language].open("w", encoding="utf-8") as file:
            for _ in range(PAIRS[language]):
                places = [chance.randrange(16) for _ in range(chance.randint(3, 7))]
                sides = (" ".join(side[place] for place in places) for side in (ENGLISH, words))
                file.write("\t".join(sides) + "\n")
    return paths


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> ParallelCorpus:
    folder = tmp_path_factory.mktemp("corpus")
    inputs = [guess_input(f"{path}:{language}") for language, path in write_pairs(folder).items()]
    return build_corpus(inputs, folder / "corpus", dev_fraction=0.2, decontaminate=False)


@pytest.fixture(scope="module")
def student_folder(tiny_teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save the tiny teacher with a Unigram vocabulary of English, German and French."""
    folder = tmp_path_factory.mktemp("student") / "model"
    model = load_sentence_transformer(tiny_teacher, device="cpu")
    texts = [" ".join(words[place : place + 3]) for words in (ENGLISH, WORDS["de"], WORDS["fr"]) for place in range(14)]
    tokenizer = with_special_tokens(train_unigram(texts * 4, size=600), like=model.tokenizer)
    table = torch.randn(len(tokenizer), 32, generator=torch.Generator().manual_seed(0))
    replace_token_embedding(model, table, tokenizer)
    write_model(model, folder, model_card="")
    return folder


@pytest.fixture
def student(student_folder: Path) -> Any:
    return load_sentence_transformer(student_folder, device="cpu")


def test_companions_stand_across_from_a_token_and_little_else() -> None:
    ours = sparse.csr_array(np.asarray([[1, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float32))
    theirs = sparse.csr_array(np.asarray([[1, 1, 0], [1, 1, 0], [1, 1, 0], [0, 1, 1]], dtype=np.float32))
    expected = [[1, 9 / 12, 0], [1 / 6, 4 / 8, 1 / 2]]
    np.testing.assert_allclose(association(ours, theirs).toarray(), expected, atol=1e-12)


def test_only_the_closest_companions_count() -> None:
    random_pairs = np.random.default_rng(0).random((40, 12)) < 0.4
    both = sparse.csr_array(random_pairs.astype(np.float32))
    weights = association(both, both).toarray()
    assert ((weights > 0).sum(axis=1) <= 4).all()
    np.testing.assert_array_equal(weights.argmax(axis=1), np.arange(12))


def test_a_new_script_gets_pieces(student: Any, corpus: ParallelCorpus) -> None:
    old, rows = plain_tokenizer(student), len(token_embedding(student).weight)
    added = add_vocabulary(student, corpus, "el", size=600)
    assert not added.coverage.enough
    assert added.coverage.unknown_share > 0.8  # bytes
    assert 16 <= added.aligned <= added.pieces == len(token_embedding(student).weight) - rows
    greek = corpus.pairs("el", Split.DEV).text_list()
    english = corpus.english_texts(corpus.pairs("el", Split.DEV).english_rows)
    after = coverage_of(student.tokenizer, greek, english)
    assert after.unknown_share == 0
    assert after.tokens_per_english_token < added.coverage.tokens_per_english_token / 2
    assert plain_tokenizer(student).encode("the cat").tokens == old.encode("the cat").tokens


def test_new_rows_start_from_their_english(student: Any, corpus: ParallelCorpus) -> None:
    english, greek = ([f"▁{word}" for word in words] for words in (ENGLISH, WORDS["el"]))
    extend_vocabulary(student, [*english, *greek, "▁άλλο"])
    ids = token_ids(read_state(student.tokenizer))
    with torch.no_grad():
        token_embedding(student).weight[[ids[word] for word in english]] = torch.eye(16, 32)
        token_embedding(student).weight[[ids[word] for word in [*greek, "▁άλλο"]]] = 7.0
    table = corpus.pairs("el", Split.TRAIN)
    texts = corpus.english_texts(table.english_rows)
    assert align_rows(student, [*greek, "▁άλλο"], table.text_list(), texts) == 16
    rows = token_embedding(student).weight.detach().numpy()
    found = rows[[ids[word] for word in greek]]
    np.testing.assert_array_equal(found.argmax(axis=1), np.arange(16))
    assert (found.max(axis=1) > 0.6).all()
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)  # weighted means
    assert (rows[ids["▁άλλο"]] == 7).all()  # in no sentence: as it was


def test_a_language_that_the_vocabulary_covers_gets_none(student: Any, corpus: ParallelCorpus) -> None:
    before = student.tokenizer
    added = add_vocabulary(student, corpus, "fr")
    assert (added.coverage.enough, added.pieces, added.aligned) == (True, 0, 0)
    assert student.tokenizer is before


def test_coverage_counts_tokens_and_unknown_ones(student: Any) -> None:
    found = coverage_of(student.tokenizer, ["γά"], ["cat"])
    english = len(plain_tokenizer(student).encode("cat", add_special_tokens=False).ids)
    assert found.tokens_per_english_token == 5 / english  # the start of the word, and two bytes a letter
    assert found.unknown_share == 0.8


def test_another_kind_of_vocabulary_is_left_with_a_warning(
    tiny_teacher: Path, corpus: ParallelCorpus, caplog: pytest.LogCaptureFixture
) -> None:
    model = load_sentence_transformer(tiny_teacher, device="cpu")
    with caplog.at_level(logging.WARNING):
        assert add_vocabulary(model, corpus, "el").pieces == 0
    assert "the vocabulary covers el badly" in caplog.text
    assert "this one is WordPiece" in caplog.text


def test_replay_is_spread_over_old_languages(corpus: ParallelCorpus) -> None:
    sizes = {language: len(corpus.pairs(language, Split.TRAIN)) for language in corpus.languages}
    found = replayed_pairs(corpus, ["el"], ratio=1.0)
    assert {language: len(rows) for language, rows in found.items()} == {
        "el": sizes["el"],
        "fr": sizes["fr"],  # all that it has, which is less than half
        "de": sizes["el"] - sizes["fr"],
    }
    assert all((np.diff(rows) > 0).all() for rows in found.values())
    few = replayed_pairs(corpus, ["el"], ratio=20 / sizes["el"])
    assert {language: len(few[language]) for language in ("de", "fr")} == {"de": 10, "fr": 10}
    assert not np.array_equal(replayed_pairs(corpus, ["el"], seed=1)["de"], found["de"])


def test_nothing_replayed_is_a_warning(corpus: ParallelCorpus, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert set(replayed_pairs(corpus, ["el"], ratio=0.0)) == {"el"}
        assert set(replayed_pairs(corpus, ["de", "el", "fr"])) == {"de", "el", "fr"}
    assert caplog.text.count("no pairs of an old language are replayed") == 2


def test_sentences_stand_beside_their_english(student: Any, corpus: ParallelCorpus) -> None:
    chosen = {"de": np.asarray([0, 5]), "el": np.asarray([1])}
    sentences = replay_set(corpus, chosen, student)
    tables = {language: corpus.pairs(language, Split.TRAIN) for language in chosen}
    rows = [*tables["de"].english_rows[[0, 5]], tables["el"].english_rows[1]]
    english = sorted(set(rows))
    assert sentences.target_rows.tolist() == [*english, *rows]
    assert sentences.languages.tolist() == [0] * len(english) + [1, 1, 2]
    text = tables["el"].text_list(np.asarray([1]))[0]
    ids, _ = sentences.bags.select(np.asarray([len(sentences) - 1]))
    assert ids.tolist() == plain_tokenizer(student).encode(text, add_special_tokens=False).ids


def test_new_and_old_weigh_the_same(student: Any, corpus: ParallelCorpus, monkeypatch: pytest.MonkeyPatch) -> None:
    targets = Targets(
        (np.zeros((corpus.n_english, 2), np.float16),),
        np.zeros(corpus.n_english, np.int64),
        np.arange(corpus.n_english),
        2,
    )
    dev = DevAccuracy(corpus, targets, english=True)
    monkeypatch.setattr(dev, "by_language", lambda student: {"en": 1.0, "de": 0.8, "fr": 0.6, "el": 0.3})
    assert NewBesideOld(dev, ["el"])(student, TrainingState()) == pytest.approx((0.3 + 0.7) / 2)
    assert NewBesideOld(dev, ["el", "fr"])(student, TrainingState()) == pytest.approx((0.45 + 0.8) / 2)
    assert NewBesideOld(dev, ["de", "el", "fr"])(student, TrainingState()) == pytest.approx(
        (1.7 / 3 + 1) / 2
    )  # English


def a_config(tmp_path: Path, corpus: ParallelCorpus, teacher: Path, student: Path, **changes: Any) -> Any:
    values = {
        "out": tmp_path / "run",
        "teacher": {"name": str(teacher), "precision": "fp32"},
        "data": {"corpus": corpus.path},
        "student": {"kind": "extended", "name": str(student), "new_languages": ["el"], **changes},
        "train": {"max_steps": 8, "eval_steps": 4, "tokens_per_batch": 512, "bf16": False},
    }
    return read_config(None, values)


def test_a_run_stopped_and_done(
    tmp_path: Path, corpus: ParallelCorpus, tiny_teacher: Path, student_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLING_EMBED_HOME", str(tmp_path / "home"))
    config = a_config(tmp_path, corpus, tiny_teacher, student_folder)

    def stop(work: str, done: int, total: int | None, /) -> None:
        if work.startswith("training") and done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(config, progress=stop)
    assert not (config.out / "forgetting.json").exists()
    done = run(config)
    assert done.forgetting is not None
    assert [(each.language, each.role) for each in done.forgetting.languages] == [
        ("el", LanguageRole.NEW),
        ("de", LanguageRole.OLD),
        ("en", LanguageRole.ENGLISH),
    ]  # French has too few dev sentences
    changed = {each.language: each.changed_share for each in done.forgetting.languages}
    assert changed == {"el": 1.0, "de": 0.0, "en": 0.0}
    record = json.loads((config.out / "forgetting.json").read_text(encoding="utf-8"))
    assert record["means"]["old"]["before"] == record["languages"][1]["before"]
    log = [json.loads(line) for line in (config.out / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["step"] for line in log].count("start") == 1
    before = (done.model / "model.safetensors").read_bytes()
    again = run(config)
    assert again.forgetting == done.forgetting
    assert (done.model / "model.safetensors").read_bytes() == before
    assert "| new languages | el; the others were replayed |" in (done.model / "README.md").read_text(encoding="utf-8")


def test_what_cannot_be_extended(tmp_path: Path, corpus: ParallelCorpus, student_folder: Path) -> None:
    tokenizer = train_unigram(list(ENGLISH) * 9, size=600)
    table = np.random.default_rng(0).normal(size=(tokenizer.get_vocab_size(), 32)).astype(np.float32)
    StaticEncoder(tokenizer, table).save(tmp_path / "static", model_card="")

    with pytest.raises(UsageError, match=r"static student, which cannot be extended yet\. Train a static student"):
        student_to_extend(str(tmp_path / "static"), corpus, new_languages=["el"], dim=32)
    with pytest.raises(UsageError, match="no pairs of sw; it has de, el, fr"):
        student_to_extend(str(student_folder), corpus, new_languages=["sw"], dim=32)


@pytest.mark.parametrize(
    ("student", "message"),
    [
        ({"kind": "extended", "new_languages": ["sw"]}, "a pretrained or extended student needs a name"),
        ({"kind": "extended", "name": "x"}, r"an extended student needs new_languages: .*\(--languages\)"),
        ({"kind": "extended", "name": "x", "new_languages": ["eng"]}, "English is the teacher's own language"),
        ({"kind": "extended", "name": "x", "new_languages": ["fr"]}, "data.languages leaves out fr"),
        ({"kind": "extended", "name": "x", "new_languages": ["sw"], "layers": 2}, "layers and trim_vocabulary are of"),
        ({"kind": "pretrained", "name": "x", "new_languages": ["sw"]}, "are of an extended student"),
        ({"replay_ratio": 2.0}, "are of an extended student"),
    ],
)
def test_settings_that_make_no_sense(student: dict[str, Any], message: str) -> None:
    values = {"out": "run", "data": {"pairs": ["a.tsv:sw"], "languages": ["sw"]}, "student": student}
    with pytest.raises(UsageError, match=message):
        read_config(None, values)


def test_a_table_written_and_read(tmp_path: Path) -> None:
    assert Forgetting.read(tmp_path) is None
    table = Forgetting.of(
        ["sw"],
        {"sw": 20, "de": 30, "fr": 40},
        {"de": 0.5, "fr": 0.75, "sw": 0.0},
        {"de": 0.25, "fr": 0.75, "sw": 0.5},
        {"de": 0.1, "fr": 0.0, "sw": 1.0},
    )
    table.write(tmp_path)
    assert Forgetting.read(tmp_path) == table
    assert table.languages[0] == LanguageChange("sw", LanguageRole.NEW, 20, 0.0, 0.5, 1.0)
    assert [each.change for each in table.languages] == [0.5, -0.25, 0.0]
    means = {"new": {"before": 0.0, "after": 0.5}, "old": {"before": 0.625, "after": 0.5}}
    assert table.record()["means"] == means
    (tmp_path / "forgetting.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DamagedFileError, match="no forgetting table"):
        Forgetting.read(tmp_path)


def test_a_new_language_without_training_pairs(corpus: ParallelCorpus, monkeypatch: pytest.MonkeyPatch) -> None:
    reopened = ParallelCorpus.open(corpus.path)
    monkeypatch.setitem(reopened.__dict__, "english_split", np.ones(corpus.n_english, dtype=bool))
    with pytest.raises(DataError, match="no training pairs of el"):
        replayed_pairs(reopened, ["el"])
