"""The whole procedure at the smallest scale: what is done once, what is refused, what is written."""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from mling_embed.corpora.parallel import Split
from mling_embed.distillation.config import DistillConfig, read_config
from mling_embed.distillation.run import run as run_distillation
from mling_embed.encoders.loading import load_sentence_transformer
from mling_embed.encoders.static import StaticEncoder
from mling_embed.errors import DataError, Interrupted, UsageError
from mling_embed.files import sha256_of
from mling_embed.students.static import shuffled_control, untrained
from mling_embed.training.settings import FitSettings
from mling_embed.training.training_set import training_sentences

PAIRS = {
    "cat": "katze",
    "dog": "hund",
    "house": "haus",
    "water": "wasser",
    "red": "rot",
    "cold": "kalt",
    "runs": "läuft",
    "sleeps": "schläft",
    "big": "groß",
    "small": "klein",
    "street": "straße",
    "station": "bahnhof",
    "sees": "sieht",
    "drinks": "trinkt",
    "morning": "morgen",
    "evening": "abend",
}
WORDS = {"en": list(PAIRS), "de": list(PAIRS.values())}


def write_pairs(path: Path, n: int = 300, *, seed: int = 0) -> Path:
    chance = random.Random(seed)
    with path.open("w", encoding="utf-8") as file:
        for row in range(n):
            places = [chance.randrange(16) for _ in range(chance.randint(3, 8))]
            english, german = (" ".join(WORDS[language][place] for place in places) for language in ("en", "de"))
            file.write(f"{english} number {row}\t{german} nummer {row}\n")
    return path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLING_EMBED_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def config(tmp_path: Path, tiny_teacher: Path) -> DistillConfig:
    pairs = write_pairs(tmp_path / "pairs.tsv")
    values = {
        "out": tmp_path / "run",
        "teacher": {"name": str(tiny_teacher), "precision": "fp32"},
        "data": {"pairs": [f"{pairs}:de"], "decontaminate": False, "dev_fraction": 0.1},
        "student": {"vocabulary_size": 1024},
        "fit": {"epochs": 2, "batch_size": 64},
    }
    return read_config(None, values)


def weights(run: Path) -> bytes:
    return (run / "model/model.safetensors").read_bytes()


def stop_in_second_epoch(work: str, done: int, total: int | None, /) -> None:
    if work == "fitting token vectors" and total and done > total * 0.6:
        raise KeyboardInterrupt


def test_a_run_and_its_rerun(config: DistillConfig) -> None:
    done = run_distillation(config)
    assert done.targets.computed == done.corpus.n_english == 300
    assert set(done.seconds) == {"teacher", "corpus", "targets", "student", "save"}
    before = weights(config.out)
    told: list[str] = []
    again = run_distillation(config, progress=lambda work, done, total: told.append(work))
    assert (done.trained, again.trained, again.seconds, told) == (True, False, {}, [])  # it asked before any work
    assert again.targets.computed == 0
    assert weights(config.out) == before
    log = [json.loads(line) for line in (config.out / "log.jsonl").read_text().splitlines()]
    assert [line["computed"] for line in log if line["step"] == "targets"] == [300, 0]
    loaded = load_sentence_transformer(done.model)
    np.testing.assert_allclose(loaded.encode(["wo läuft"]), done.student.encode(["wo läuft"]), atol=1e-6)
    card = (done.model / "README.md").read_text(encoding="utf-8")
    assert "| languages | de (300) |" in card
    assert done.teacher.fingerprint[:16] in card


def test_stopped_and_resumed_is_the_same_model(config: DistillConfig, tmp_path: Path) -> None:
    run_distillation(config)
    other = config.model_copy(update={"out": tmp_path / "stopped"})
    with pytest.raises(KeyboardInterrupt):
        run_distillation(other, progress=stop_in_second_epoch)
    assert list(other.out.glob("checkpoints/*/fit.safetensors"))
    assert not (other.out / "model").exists()
    told: list[int] = []
    run_distillation(
        other, progress=lambda work, done, total: told.append(done) if work.startswith("fitting") else None
    )
    assert told[0] > 270
    assert weights(other.out) == weights(config.out)


def test_changed_pairs_begin_anew(config: DistillConfig, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_distillation(config, progress=stop_in_second_epoch)
    write_pairs(tmp_path / "pairs.tsv", n=320, seed=1)
    run_distillation(config)
    fresh = config.model_copy(update={"out": tmp_path / "fresh"})
    run_distillation(fresh)
    assert weights(config.out) == weights(fresh.out)


def test_another_configuration_is_refused(config: DistillConfig) -> None:
    run_distillation(config)
    other = config.model_copy(update={"seed": 1})
    with pytest.raises(UsageError, match=r"holds a run with another configuration\. Choose another --out"):
        run_distillation(other)


def test_a_run_that_failed_at_once_can_be_corrected(config: DistillConfig, tmp_path: Path) -> None:
    missing = config.data.model_copy(update={"pairs": (f"{tmp_path}/missing.tsv:de",)})
    with pytest.raises(DataError, match=r"missing\.tsv"):
        run_distillation(config.model_copy(update={"data": missing}))
    assert run_distillation(config).corpus.n_pairs == 300


def test_a_folder_with_other_things_is_refused(config: DistillConfig) -> None:
    config.out.mkdir()
    (config.out / "thesis.tex").touch()
    with pytest.raises(UsageError, match="is not empty, and not a run"):
        run_distillation(config)
    assert [path.name for path in config.out.iterdir()] == ["thesis.tex"]


def test_training_bags_pair_each_sentence_with_its_english_row(config: DistillConfig) -> None:
    done = run_distillation(config)
    training = training_sentences(done.corpus, done.student.tokenizer)
    english = done.corpus.english_rows(Split.TRAIN)
    german = done.corpus.pairs("de", Split.TRAIN)
    assert len(training.bags) == len(english) + len(german) < 600
    np.testing.assert_array_equal(training.target_rows, np.concatenate([english, german.english_rows]))
    texts = done.corpus.english_texts(english) + german.text_list()
    for row in (0, len(english) - 1, len(english), len(texts) - 1):
        ids, _ = training.bags.select(np.asarray([row]))
        assert ids.tolist() == done.student.tokenizer.encode(texts[row], add_special_tokens=False).ids


def test_the_student_beats_its_controls(config: DistillConfig) -> None:
    fit = FitSettings(epochs=40, batch_size=64, learning_rate=0.02)
    slower = replace(config.fit, epochs=40, learning_rate=0.02)
    done = run_distillation(config.model_copy(update={"fit": slower}))
    german = done.corpus.pairs("de", Split.DEV)
    wanted = done.targets.take(german.english_rows).astype(np.float32)

    def accuracy(student: StaticEncoder) -> float:
        nearest = (student.encode(german.text_list()) @ wanted.T).argmax(axis=1)
        return float((nearest == np.arange(len(wanted))).mean())

    shuffled = shuffled_control(done.corpus, done.targets, done.student.tokenizer, fit=fit)
    chance = [accuracy(shuffled), accuracy(untrained(done.student, seed=0))]
    assert accuracy(done.student) > max(chance) + 0.2


TRAIN = {
    "tokens_per_batch": 512,
    "tokens_per_slice": 256,
    "max_steps": 8,
    "bf16": False,
    "warmup_ratio": 0.9,  # so that training ends before the look for collapse, which an untrained teacher fails
    "logging_steps": 2,
    "eval_steps": 4,
    "save_steps": 2,
}


@pytest.fixture(params=["transplant", "pretrained"])
def transformer(request: pytest.FixtureRequest, tmp_path: Path, tiny_teacher: Path) -> DistillConfig:
    """Return the configuration of a transformer student of each kind."""
    pretrained = {"kind": "pretrained", "name": str(tiny_teacher), "layers": 1, "trim_vocabulary": True}
    pairs = write_pairs(tmp_path / "pairs.tsv")
    values = {
        "out": tmp_path / "run",
        "teacher": {"name": str(tiny_teacher), "precision": "fp32"},
        "data": {"pairs": [f"{pairs}:de"], "decontaminate": False, "dev_fraction": 0.1},
        "student": pretrained if request.param == "pretrained" else {"kind": "transplant", "vocabulary_size": 1024},
        "fit": {"epochs": 1, "batch_size": 64},
        "train": TRAIN,
    }
    return read_config(None, values)


def stop_by_signal(work: str, done: int, total: int | None, /) -> None:
    if work == "training the student" and done == 5:
        signal.raise_signal(signal.SIGINT)


def stop_at_once(work: str, done: int, total: int | None, /) -> None:
    if work == "training the student" and done == 5:
        raise KeyboardInterrupt


def stop_before_training(work: str, done: int, total: int | None, /) -> None:
    if work == "training the student":
        raise KeyboardInterrupt


def model_hash(run: Path) -> str:
    return sha256_of(run / "model/model.safetensors")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_transformer_student_and_its_rerun(transformer: DistillConfig) -> None:
    done = run_distillation(transformer)
    before = model_hash(transformer.out)
    plain, texts = SentenceTransformer(str(done.model), device="cpu"), ["wo läuft", "the cat runs", ""]
    np.testing.assert_allclose(plain.encode(texts), done.student.encode(texts), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(plain.encode(texts), axis=1), 1, atol=1e-5)
    again = run_distillation(transformer)
    assert model_hash(transformer.out) == before
    assert "train" not in again.seconds
    assert again.targets.computed == 0

    made = {"transplant": {"student", "transplant"}, "pretrained": {"start"}}[transformer.student.kind]
    assert set(done.seconds) == {"teacher", "corpus", "targets", "train", "save"} | made
    assert [line["step"] for line in lines(transformer.out / "log.jsonl")][-3:] == ["teacher", "corpus", "targets"]
    (log,) = transformer.out.glob("checkpoints/*/log.jsonl")
    assert [line["step"] for line in lines(log) if "total" in line] == [2, 4, 6, 8]
    assert [line["step"] for line in lines(log) if "dev" in line] == [0, 4, 8]
    assert read_config(transformer.out / "config.toml", {}) == transformer

    card = (done.model / "README.md").read_text(encoding="utf-8")
    assert "# A multilingual transformer student of" in card
    assert f"| vocabulary | {len(plain.tokenizer):,} tokens |" in card
    assert "tags:\n- sentence-transformers\n- feature-extraction\n" in card
    assert ("| started from | " in card) == (transformer.student.kind == "pretrained")


@pytest.mark.parametrize(
    ("stop", "error", "step"),
    [
        (stop_by_signal, Interrupted, 5),
        (stop_at_once, KeyboardInterrupt, 4),
        (stop_before_training, KeyboardInterrupt, 0),
    ],
)
def test_a_transformer_stopped_and_resumed_is_the_same_model(
    transformer: DistillConfig,
    tmp_path: Path,
    stop: Callable[..., None],
    error: type[BaseException],
    step: int,
) -> None:
    run_distillation(transformer)
    stopped = transformer.model_copy(update={"out": tmp_path / "stopped"})
    with pytest.raises(error):
        run_distillation(stopped, progress=stop)
    assert not (stopped.out / "model").exists()
    (run,) = stopped.out.glob("checkpoints/*")
    assert (run / "start").is_dir()
    told: list[int] = []
    done = run_distillation(
        stopped, progress=lambda work, done, total: told.append(done) if work.startswith("training") else None
    )
    assert told == list(range(step + 1, 9))
    assert not {"student", "transplant", "start"} & set(done.seconds)
    assert model_hash(stopped.out) == model_hash(transformer.out)
    trained = [
        [line["total"] for line in lines(next(out.glob("checkpoints/*/log.jsonl"))) if "total" in line]
        for out in (stopped.out, transformer.out)
    ]
    assert trained[0] == trained[1]


def test_fewer_dimensions_come_with_the_teacher_that_goes_with_them(config: DistillConfig) -> None:
    student = config.student.model_copy(update={"dimensions": 8})
    done = run_distillation(config.model_copy(update={"student": student}))
    teacher = load_sentence_transformer(config.out / "teacher", device="cpu")
    assert done.student.dim == done.targets.dim == 8
    wanted = done.targets.matrix().astype(np.float32)
    assert teacher.encode(done.corpus.english_texts()) == pytest.approx(wanted, abs=2e-2)  # bf16 and fp16


def test_a_truncatable_student_has_its_most_important_dimensions_first(config: DistillConfig) -> None:
    student = config.student.model_copy(update={"truncatable": True})
    done = run_distillation(config.model_copy(update={"student": student}))
    shares = np.square(done.student.encode(done.corpus.english_texts())).mean(axis=0)
    n = len(shares)
    assert shares[: n // 4].sum() > 10 * shares[n // 4 :].sum()
