"""The whole of a distillation run: corpus, targets, student, model folder."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mling_embed import __version__
from mling_embed.corpora.build import build_corpus
from mling_embed.corpora.inputs import CorpusInput, guess_input
from mling_embed.corpora.manifests import Role, load_manifest
from mling_embed.corpora.parallel import ParallelCorpus
from mling_embed.corpora.sources import corpus_inputs
from mling_embed.distillation.config import DataConfig, DistillConfig, StudentKind
from mling_embed.distillation.extension import extended_start, student_to_extend
from mling_embed.distillation.forgetting import Forgetting, NewBesideOld, changed_shares
from mling_embed.distillation.model_card import model_card
from mling_embed.distillation.replay import replayed_pairs, sentences_of
from mling_embed.distillation.static_student import fit_static_student
from mling_embed.distillation.targets import Targets, TargetStore
from mling_embed.distillation.trainer import train
from mling_embed.distillation.transformer_student import (
    DevAccuracy,
    keep_start,
    kept_start,
    save_transformer,
    starting_student,
    train_transformer_student,
    transplanted_student,
)
from mling_embed.encoders.loading import load_encoder
from mling_embed.encoders.static import StaticEncoder, fast_encoder
from mling_embed.encoders.teacher import Teacher
from mling_embed.errors import DataError, UsageError
from mling_embed.files import read_json, write_json, write_text
from mling_embed.progress import Progress, silent

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)

CONFIG_FILE = "config.toml"
_LOG_FILE = "log.jsonl"
_DONE_FILE = "distilled_from.json"
_BEFORE_FILE = "before.json"
_TRUNCATION_SAMPLE = 2_000


@dataclass(frozen=True, slots=True)
class Distilled:
    """What a run made.

    Attributes:
        student: The student.
        model: Its folder, which plain sentence-transformers loads.
        teacher: Whom it learned from.
        corpus: What it learned from.
        targets: The teacher's vectors of the corpus's English rows.
        seconds: Name of a step -> its duration.
        forgetting: Of an extended student: what it knew of each language before, and what it knows now.
    """

    student: StaticEncoder | SentenceTransformer
    model: Path
    teacher: Teacher
    corpus: ParallelCorpus
    targets: Targets
    seconds: dict[str, float]
    forgetting: Forgetting | None = None

    @property
    def static(self) -> StaticEncoder:
        """The student, if it is a static one.

        Raises:
            DataError: It is a transformer.
        """
        if isinstance(self.student, StaticEncoder):
            return self.student
        raise DataError("is a transformer; expected a static student.", where=self.model)


@dataclass(slots=True)
class _Log:
    """Time the steps of a run and write them to its ``log.jsonl``."""

    path: Path
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str, **facts: Any) -> Iterator[dict[str, Any]]:
        """Time the block, and log it with the facts that it fills in."""
        began = time.perf_counter()
        yield facts
        self.seconds[name] = round(time.perf_counter() - began, 3)
        record = {"step": name, "seconds": self.seconds[name], **facts}
        logger.info("%s: %.1f s", name, self.seconds[name])
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


_Maker = Callable[
    [DistillConfig, Teacher, ParallelCorpus, Targets, Path, _Log, Progress], "StaticEncoder | SentenceTransformer"
]


def distill(config: DistillConfig, *, progress: Progress = silent) -> Distilled:
    """Distil a teacher into a multilingual student, as the configuration says.

    Steps that are done are not done again: the corpus, the teacher's targets, the vocabulary and every finished epoch
    stay on disk, so that a stopped run goes on when it is called again.

    Raises:
        UsageError: The teacher is not fit to teach, or `out` holds a run with another configuration.
        DataError: Data or teacher cannot be read.
    """
    out = config.out
    _claim(out, config)
    log = _Log(out / _LOG_FILE)
    with log.step("teacher") as facts:
        teacher = Teacher(
            load_encoder(config.teacher.name), prompt=config.teacher.prompt, precision=config.teacher.precision
        )
        teacher.require_cosine()
        facts["fingerprint"] = teacher.fingerprint
    with log.step("corpus") as facts:
        corpus = open_or_build(config.data, out / "corpus", progress=progress)
        if not corpus.n_pairs:
            raise DataError(
                "the corpus holds no pairs.",
                where=corpus.path,
                next_step="Its corpus.json says what was rejected, and why.",
            )
        facts.update(english=corpus.n_english, pairs=corpus.n_pairs, fingerprint=corpus.fingerprint)
    model, done = out / "model", {"corpus": corpus.fingerprint, "teacher": teacher.fingerprint}
    if config.student.kind is StudentKind.EXTENDED and not (model / _DONE_FILE).exists():
        student_to_extend(config.student, teacher, corpus)  # before the teacher's long work, refuse what cannot be
    with log.step("targets") as facts:
        english = corpus.english_texts()
        targets = TargetStore(teacher).compute(english, progress=progress)
        facts.update(computed=targets.computed, truncated_share=teacher.truncated_share(english[:_TRUNCATION_SAMPLE]))
    if (model / _DONE_FILE).exists() and read_json(model / _DONE_FILE) == done:
        student = fast_encoder(load_encoder(model, device="cpu"))
        return Distilled(student, model, teacher, corpus, targets, log.seconds, Forgetting.read(out))
    run = out / "checkpoints" / f"{corpus.fingerprint[:16]}-{teacher.fingerprint[:16]}"
    makers: dict[StudentKind, _Maker] = {StudentKind.STATIC: _static, StudentKind.EXTENDED: _extended}
    student = makers.get(config.student.kind, _transformer)(config, teacher, corpus, targets, run, log, progress)
    with log.step("save"):
        card = model_card(config, corpus, teacher, student)
        if isinstance(student, StaticEncoder):
            student.save(model, model_card=card)
        else:
            save_transformer(student, model, model_card=card)
        write_json(model / _DONE_FILE, done)
    return Distilled(student, model, teacher, corpus, targets, log.seconds, Forgetting.read(out))


def _static(
    config: DistillConfig,
    teacher: Teacher,
    corpus: ParallelCorpus,
    targets: Targets,
    folder: Path,
    log: _Log,
    progress: Progress,
) -> StaticEncoder:
    """Fit a static student, as the configuration says."""
    with log.step("student"):
        return fit_static_student(
            corpus,
            targets,
            folder,
            size=config.student.vocabulary_size,
            lowercase=config.student.lowercase,
            finer=config.student.finer,
            fit=config.fit,
            seed=config.seed,
            progress=progress,
        )


def _transformer(
    config: DistillConfig,
    teacher: Teacher,
    corpus: ParallelCorpus,
    targets: Targets,
    folder: Path,
    log: _Log,
    progress: Progress,
) -> SentenceTransformer:
    """Make where a transformer student starts from, and train it."""
    start = kept_start(folder)
    if start is None:
        if config.student.kind is StudentKind.TRANSPLANT:
            static = _static(config, teacher, corpus, targets, folder, log, progress)
            with log.step("transplant"):
                start = transplanted_student(teacher, static, corpus)
        else:
            with log.step("start"):
                start = starting_student(config.student, teacher, corpus, seed=config.seed, progress=progress)
        keep_start(start, folder)
    with log.step("train"):
        return train_transformer_student(
            start, corpus, targets, folder, settings=config.train, seed=config.seed, progress=progress
        )


def _extended(
    config: DistillConfig,
    teacher: Teacher,
    corpus: ParallelCorpus,
    targets: Targets,
    folder: Path,
    log: _Log,
    progress: Progress,
) -> SentenceTransformer:
    """Teach a student that is there further languages, and say what it knew and knows of each."""
    new = config.student.new_languages
    dev = DevAccuracy(corpus, targets, seed=config.seed, english=True)
    start = kept_start(folder)
    if start is None:
        with log.step("start") as facts:
            student = student_to_extend(config.student, teacher, corpus)
            tokenizer, before = student.tokenizer, dev.by_language(student)
            start, added = extended_start(student, config.student, teacher, corpus)
            changed = changed_shares(dev, tokenizer, start.tokenizer)
            facts.update(before=before, vocabulary={language: asdict(each) for language, each in added.items()})
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / _BEFORE_FILE, {"accuracy": before, "changed": changed})
        keep_start(start, folder)
    with log.step("train") as facts:
        chosen = replayed_pairs(corpus, new, ratio=config.student.replay_ratio, seed=config.seed)
        facts.update(pairs={language: len(rows) for language, rows in chosen.items()})
        sentences = sentences_of(corpus, chosen, start, progress=progress)
        # Measured on old languages alone, the start would be the best: then keep the last weights.
        measure = NewBesideOld(dev, new) if dev.languages.keys() & set(new) else None
        train(
            start,
            sentences,
            targets,
            settings=config.train,
            folder=folder,
            seed=config.seed,
            measure=measure,
            progress=progress,
        )
    with log.step("forgetting"):
        known = read_json(folder / _BEFORE_FILE)
        sizes = {language: len(texts) for language, (texts, _, _) in dev.languages.items()}
        Forgetting.of(new, sizes, known["accuracy"], dev.by_language(start), known["changed"]).write(config.out)
    return start


def open_or_build(data: DataConfig, folder: Path, *, progress: Progress = silent) -> ParallelCorpus:
    """Open the corpus that a configuration names, or build it from its pairs and manifests."""
    if data.corpus is not None:
        return ParallelCorpus.open(data.corpus)
    languages = data.languages or None
    inputs: list[CorpusInput] = [guess_input(text) for text in data.pairs]
    for name in data.manifests:
        inputs.extend(corpus_inputs(load_manifest(name), languages=languages, role=Role.TRAIN))
    return build_corpus(
        inputs,
        folder,
        dev_fraction=data.dev_fraction,
        decontaminate=data.decontaminate,
        languages=languages,
        progress=progress,
    )


def _claim(out: Path, config: DistillConfig) -> None:
    """Write the resolved configuration into the run's folder, or see that it is the one that is there."""
    path, text = out / CONFIG_FILE, config.to_toml()
    if out.exists() and not out.is_dir():
        raise UsageError("is a file; expected a folder.", where=out, next_step="Choose another --out.")
    begun = {entry.name for entry in out.iterdir()} - {CONFIG_FILE, _LOG_FILE} if out.exists() else set()
    if path.exists():
        if begun and path.read_text(encoding="utf-8") != text:
            raise UsageError(
                "holds a run with another configuration.",
                where=out,
                next_step=f"Choose another --out, or run it on with its own: mling-embed distill {path}",
            )
    elif begun:
        raise UsageError("is not empty, and not a run.", where=out, next_step="Choose another --out.")
    write_text(path, text)
    logger.info("mling_embed %s: %s", __version__, out)
