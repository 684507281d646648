"""The whole of a distillation run: corpus, targets, student, model folder."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mling_embed import __version__
from mling_embed.corpora.build import build_corpus
from mling_embed.corpora.inputs import CorpusInput, guess_input
from mling_embed.corpora.manifests import Role, load_manifest
from mling_embed.corpora.parallel import ParallelCorpus
from mling_embed.corpora.sources import corpus_inputs
from mling_embed.distillation.config import DataConfig, DistillConfig, StudentKind
from mling_embed.distillation.making import Making
from mling_embed.distillation.run_log import RunLog
from mling_embed.encoders.loading import load_encoder
from mling_embed.encoders.model_card import model_card, teacher_card
from mling_embed.encoders.static import StaticEncoder, fast_encoder
from mling_embed.encoders.teacher import Teacher
from mling_embed.errors import DataError, UsageError
from mling_embed.files import read_json, write_json, write_text
from mling_embed.progress import Progress, silent
from mling_embed.students.extended import student_to_extend
from mling_embed.students.forgetting import Forgetting
from mling_embed.students.transformer import save_transformer
from mling_embed.training.distributed import is_main, main_first
from mling_embed.training.rotated import rotate
from mling_embed.training.targets import Targets, TargetStore

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)

CONFIG_FILE = "config.toml"
TEACHER_FOLDER = "teacher"
_LOG_FILE = "log.jsonl"
_DONE_FILE = "distilled_from.json"
_TRUNCATION_SAMPLE = 2_000


@dataclass(frozen=True, slots=True)
class Distilled:
    """What a run made.

    Attributes:
        student: The student.
        model: Its folder, which plain sentence-transformers loads.
        teacher: Whom it learned from; a rotated one is in the run's folder ``teacher`` too.
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


def distill(config: DistillConfig, *, progress: Progress = silent) -> Distilled:
    """Distil a teacher into a multilingual student, as the configuration says.

    Steps that are done are not done again: the corpus, the teacher's targets, the vocabulary and every finished epoch
    stay on disk, so that a stopped run goes on when it is called again. Of several processes (``torchrun``) the main
    one goes first, and all train a transformer student together.

    Raises:
        UsageError: The teacher is not fit to teach, or `out` holds a run with another configuration.
        DataError: Data or teacher cannot be read.
    """
    with main_first():
        making = _prepared(config, progress)
        model, log = config.out / "model", making.log
        sources = {"corpus": making.corpus.fingerprint, "teacher": making.body.fingerprint}
        if (model / _DONE_FILE).exists() and read_json(model / _DONE_FILE) == sources:
            return _distilled(making, fast_encoder(load_encoder(model, device="cpu")))
        student = making.start()
    if not isinstance(student, StaticEncoder):
        student = making.trained(student)
    if is_main():
        with log.step("save"):
            card = model_card(config, making.corpus, making.teacher, student)
            if isinstance(student, StaticEncoder):
                student.save(model, model_card=card)
            else:
                save_transformer(student, model, model_card=card)
            write_json(model / _DONE_FILE, sources)
    return _distilled(making, student)


def _prepared(config: DistillConfig, progress: Progress) -> Making:
    """Bring together what the student is made from: teacher, corpus, targets."""
    out = config.out
    _claim(out, config)
    log = RunLog(out / _LOG_FILE)
    with log.step("teacher") as facts:
        body = Teacher(
            load_encoder(config.teacher.name), prompt=config.teacher.prompt, precision=config.teacher.precision
        )
        body.require_cosine()
        facts["fingerprint"] = body.fingerprint
    with log.step("corpus") as facts:
        corpus = open_or_build(config.data, out / "corpus", progress=progress)
        if not corpus.n_pairs:
            raise DataError(
                "the corpus holds no pairs.",
                where=corpus.path,
                next_step="Its corpus.json says what was rejected, and why.",
            )
        facts.update(english=corpus.n_english, pairs=corpus.n_pairs, fingerprint=corpus.fingerprint)
    if not (out / "model" / _DONE_FILE).exists():  # before the teacher's long work, refuse what cannot be
        if config.student.kind is StudentKind.EXTENDED:
            student_to_extend(config.student, body, corpus)
        elif config.student.name is not None:
            load_encoder(config.student.name, device="cpu")
    with log.step("targets") as facts:
        english = corpus.english_texts()
        targets = TargetStore(body).compute(english, progress=progress)
        facts.update(computed=targets.computed, truncated_share=body.truncated_share(english[:_TRUNCATION_SAMPLE]))
    teacher, rotation = body, None
    if config.student.dimensions is not None or config.student.truncatable:
        with log.step("rotation") as facts:
            teacher, targets, rotation = rotate(body, targets, corpus, dim=config.student.dimensions)
            facts.update(kept=rotation.kept(targets.dim))
            if is_main():
                save_transformer(teacher.model, out / TEACHER_FOLDER, model_card=teacher_card(config))
    return Making(
        config=config,
        body=body,
        teacher=teacher,
        rotation=rotation,
        corpus=corpus,
        targets=targets,
        folder=out / "checkpoints" / f"{corpus.fingerprint[:16]}-{body.fingerprint[:16]}",
        log=log,
        progress=progress,
    )


def _distilled(making: Making, student: StaticEncoder | SentenceTransformer) -> Distilled:
    return Distilled(
        student=student,
        model=making.config.out / "model",
        teacher=making.teacher,
        corpus=making.corpus,
        targets=making.targets,
        seconds=making.log.seconds,
        forgetting=Forgetting.read(making.config.out),
    )


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
