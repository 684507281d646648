"""A distillation run: from its configuration to the model folder; what is done is not done again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mling_embed import __version__
from mling_embed.corpora.manifests import load_manifest
from mling_embed.corpora.parallel import ParallelCorpus
from mling_embed.distillation.config import DistillConfig, StudentKind
from mling_embed.distillation.materials import Materials, note, prepare
from mling_embed.distillation.receipt import is_finished, write_receipt
from mling_embed.distillation.run_log import RunLog
from mling_embed.encoders.contract import Encoder, PromptRole
from mling_embed.encoders.heads import fit_head
from mling_embed.encoders.loading import encoder_of_model, load, sentence_transformer_of
from mling_embed.encoders.model_card import StudentCard
from mling_embed.encoders.static import StaticEncoder
from mling_embed.errors import UsageError
from mling_embed.files import read_json, write_json, write_text
from mling_embed.hardware import default_device
from mling_embed.progress import Progress, silent
from mling_embed.students.extended import extended_start, student_to_extend, train_extended_student
from mling_embed.students.forgetting import Forgetting, changed_shares
from mling_embed.students.pretrained import starting_student
from mling_embed.students.static import fit_static_student
from mling_embed.students.transformer import keep_start, kept_start, train_transformer_student
from mling_embed.students.transplant import transplanted_student
from mling_embed.training.dev_accuracy import DevAccuracy
from mling_embed.training.distributed import is_main, main_first
from mling_embed.training.targets import Targets
from mling_embed.training.training_set import TrainingSet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)

CONFIG_FILE = "config.toml"
MODEL_FOLDER = "model"
_LOG_FILE = "log.jsonl"
_BEFORE_FILE = "before.json"
_BEFORE_A_RUN = {CONFIG_FILE, _LOG_FILE, "pairs"}  # these alone in a folder are no run yet
_TAGS = {True: "static-embeddings", False: "feature-extraction"}


@dataclass
class Distilled:
    """A finished run, itself an encoder's `encode`; what it was made from is opened when it is asked for.

    Attributes:
        config: Of the run.
        trained: Whether this call did any of it; `False` where all was done before.
        log: Of the run.
    """

    config: DistillConfig
    trained: bool
    log: RunLog = field(repr=False)

    @property
    def model(self) -> Path:
        """The student's folder, which plain sentence-transformers loads."""
        return self.config.out / MODEL_FOLDER

    @property
    def seconds(self) -> dict[str, float]:
        """Name of a step of this call -> its duration."""
        return self.log.seconds

    @cached_property
    def student(self) -> Encoder:
        """The student."""
        return load(self.model, device=self.config.device)

    @cached_property
    def materials(self) -> Materials:
        """Teacher, corpus and targets."""
        return prepare(self.config, self.log)

    @property
    def teacher(self) -> Encoder:
        """Whom it learned from; a rotated one is in the run's folder ``teacher`` too."""
        return self.materials.teacher

    @property
    def corpus(self) -> ParallelCorpus:
        """What it learned from."""
        return self.materials.corpus

    @property
    def targets(self) -> Targets:
        """The teacher's vectors of the corpus's English rows."""
        return self.materials.targets

    @property
    def terms(self) -> str:
        """What it learned from, each source with its licence where that is known."""
        known = _licenses(self.config)
        sources = dict.fromkeys(self.corpus.sources)
        return ", ".join(f"{name} ({known[name]})" if name in known else name for name in sources)

    @property
    def forgetting(self) -> Forgetting | None:
        """Of an extended student: what it knew of each language before, and what it knows now."""
        return Forgetting.read(self.config.out)

    def encode(self, texts: str | Sequence[str], *, role: PromptRole | None = None) -> Any:
        """Encode texts with the student. Shape: (dim,) of one text, (n_texts, dim) of several."""
        return self.student.encode(texts, role=role)


def run(config: DistillConfig, *, tell: Callable[[str], None] = note, progress: Progress = silent) -> Distilled:
    """Distil a teacher into a multilingual student, as a configuration says.

    Steps that are done are not done again: the corpus, the teacher's targets, the vocabulary and every finished epoch
    stay on disk, so that a stopped run goes on when it is called again. Of several processes (``torchrun``) the main
    one goes first, and all train a transformer student together.

    Args:
        config: Of the run.
        tell: Is given a line for each input: what share of its rows was kept, and why the others were not.
        progress: Told of the work done.

    Raises:
        UsageError: The teacher is not fit to teach, or `out` holds a run with another configuration.
        DataError: Data or teacher cannot be read.
    """
    with main_first(config.device):
        _claim(config.out, config)
        log = RunLog(config.out / _LOG_FILE)
        if is_finished(config.out / MODEL_FOLDER):
            return Distilled(config, False, log)
        materials = prepare(config, log, tell=tell, progress=progress)
        if is_finished(config.out / MODEL_FOLDER, materials.sources):
            return _with(Distilled(config, False, log), materials)
        work = _Run(config, materials, log, progress)
        start = work.start()
    student = start if isinstance(start, StaticEncoder) else encoder_of_model(work.trained(start))
    if is_main():
        with log.step("save"):
            student.save(config.out / MODEL_FOLDER, model_card=_card(config, materials, student).markdown())
            write_receipt(
                config.out / MODEL_FOLDER,
                materials.sources,
                inputs=_input_files(config, materials),
                truncatable=materials.rotation is not None,
            )
    return _with(Distilled(config, True, log), materials, student)


def _with(done: Distilled, materials: Materials, student: Encoder | None = None) -> Distilled:
    """Hand over what is in memory already."""
    done.__dict__["materials"] = materials
    if student is not None:
        done.__dict__["student"] = student
    return done


@dataclass(frozen=True, slots=True)
class _Start:
    """A transformer student before its training, and its sentences if they are tokenized already."""

    model: SentenceTransformer
    sentences: TrainingSet | None = None


@dataclass(frozen=True, slots=True)
class _Run:
    """The steps from the materials to the student."""

    config: DistillConfig
    materials: Materials
    log: RunLog
    progress: Progress

    @property
    def folder(self) -> Path:
        """Where the start and the checkpoints are kept."""
        sources = self.materials.sources
        return self.config.out / "checkpoints" / "-".join(fingerprint[:16] for fingerprint in sources.values())

    def start(self) -> StaticEncoder | _Start:
        """Return what the student is before it is trained as a transformer: a static one is done."""
        kind = self.config.student.kind
        if kind is StudentKind.STATIC:
            return self._static()
        if (kept := kept_start(self.folder)) is not None:
            return _Start(kept)
        makers = {StudentKind.TRANSPLANT: self._transplanted, StudentKind.EXTENDED: self._extended}
        start = makers.get(kind, self._pretrained)()
        keep_start(start.model, self.folder)
        return start

    def trained(self, start: _Start) -> SentenceTransformer:
        """Return a transformer student after its training; all processes of a run train together."""
        config, materials = self.config, self.materials
        if config.train.max_steps == 0 and config.student.kind is not StudentKind.EXTENDED:
            return start.model  # what is not trained needs neither tokens nor targets
        options: dict[str, Any] = {
            "settings": config.train,
            "device": config.device,
            "seed": config.seed,
            "progress": self.progress,
        }
        if config.student.kind is not StudentKind.EXTENDED:
            with self.log.step("train"):
                return train_transformer_student(
                    start.model, materials.corpus, materials.targets, self.folder, sentences=start.sentences, **options
                )
        new, dev = config.student.new_languages, self._dev_of_extended()
        with self.log.step("train") as facts:
            pairs = train_extended_student(
                start.model,
                materials.corpus,
                materials.targets,
                self.folder,
                new_languages=new,
                replay_ratio=config.student.replay_ratio,
                dev=dev,
                **options,
            )
            facts.update(pairs=pairs)
        if is_main():
            with self.log.step("forgetting"):
                known = read_json(self.folder / _BEFORE_FILE)
                sizes = {language: len(texts) for language, (texts, _, _) in dev.languages.items()}
                after = dev.by_language(start.model)
                Forgetting.of(new, sizes, known["accuracy"], after, known["changed"]).write(config.out)
        return start.model

    def _static(self) -> StaticEncoder:
        with self.log.step("student"):
            return fit_static_student(
                self.materials.corpus,
                self.materials.targets,
                self.folder,
                monolingual=self.materials.monolingual,
                pieces=self.materials.pieces,
                size=self.config.student.vocabulary_size,
                lowercase=self.config.student.lowercase,
                finer=self.config.student.finer,
                fit=self.config.fit,
                seed=self.config.seed,
                progress=self.progress,
            )

    def _transplanted(self) -> _Start:
        static = self._static()
        with self.log.step("transplant"):
            start, sentences = transplanted_student(
                sentence_transformer_of(self.materials.body),
                static,
                self.materials.corpus,
                seed=self.config.seed,
                checkpoints=self.folder / "rows",
                progress=self.progress,
            )
            facts = self.materials.facts
            rotation = self.materials.rotation
            return _Start(fit_head(start, dim=facts.dim, unit_norm=facts.unit_norm, rotation=rotation), sentences)

    def _pretrained(self) -> _Start:
        student, materials = self.config.student, self.materials
        with self.log.step("start") as facts:
            start, fitted = starting_student(
                str(student.name),
                materials.corpus,
                materials.targets,
                unit_norm=materials.facts.unit_norm,
                layers=student.layers,
                trim=student.trim_vocabulary,
                prompt=student.prompt,
                pairs=student.head_pairs,
                device=self.config.device or default_device(),
                seed=self.config.seed,
                progress=self.progress,
            )
            facts.update(head=[asdict(trial) for trial in fitted.trials])
            return _Start(start)

    def _extended(self) -> _Start:
        wanted, corpus, found = self.config.student, self.materials.corpus, self.materials.facts
        with self.log.step("start") as facts:
            student = student_to_extend(
                str(wanted.name), corpus, new_languages=wanted.new_languages, dim=self.materials.body.dim
            )
            dev = self._dev_of_extended()
            tokenizer, before = student.tokenizer, dev.by_language(student)
            start, added = extended_start(
                student,
                corpus,
                new_languages=wanted.new_languages,
                dim=found.dim,
                unit_norm=found.unit_norm,
                size=wanted.vocabulary_size,
            )
            changed = changed_shares(dev, tokenizer, start.tokenizer)
            facts.update(before=before, vocabulary={language: asdict(each) for language, each in added.items()})
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / _BEFORE_FILE, {"accuracy": before, "changed": changed})
        return _Start(start)

    def _dev_of_extended(self) -> DevAccuracy:
        return DevAccuracy(self.materials.corpus, self.materials.targets, seed=self.config.seed, english=True)


def _card(config: DistillConfig, materials: Materials, student: Encoder) -> StudentCard:
    corpus, static = materials.corpus, isinstance(student, StaticEncoder)
    model = sentence_transformer_of(student)
    n_tokens = len(model.tokenizer.get_vocab())
    return StudentCard(
        what=f"{'static' if static else 'transformer'} student",
        tags=[_TAGS[static]],
        teacher=config.teacher.name,
        teacher_fingerprint=materials.teacher.fingerprint,
        started_from=config.student.name or "",
        new_languages=config.student.new_languages,
        dim=student.dim,
        n_tokens=n_tokens,
        n_english=corpus.n_english,
        n_monolingual=0 if materials.monolingual is None else materials.monolingual.corpus.n_english,
        pairs=corpus.info["pairs"],
        corpus_fingerprint=corpus.fingerprint,
        sources=corpus.sources,
        licenses=_licenses(config),
    )


def _licenses(config: DistillConfig) -> dict[str, str]:
    return {name: load_manifest(name).license for name in config.data.manifests}


def _input_files(config: DistillConfig, materials: Materials) -> list[Path]:
    """Return the files whose change asks for another look: those of the corpus's inputs, the teacher's, the model's."""
    corpora = [materials.corpus] if config.data.corpus is None else []
    corpora += [] if materials.monolingual is None else [materials.monolingual.corpus]
    files = [Path(file["path"]) for each in corpora for source in each.info["inputs"] for file in source["files"]]
    if config.data.corpus is not None:
        files.append(config.data.corpus / "corpus.json")
    for name in (config.teacher.name, config.teacher.monolingual):
        if name is not None and Path(name).is_dir():
            files += sorted(path for path in Path(name).rglob("*") if path.is_file())
    return files + sorted(path for path in (config.out / MODEL_FOLDER).rglob("*") if path.is_file())


def _claim(out: Path, config: DistillConfig) -> None:
    """Write the resolved configuration into the run's folder, or see that it is the one that is there."""
    path, text = out / CONFIG_FILE, config.to_toml()
    if out.exists() and not out.is_dir():
        raise UsageError("is a file; expected a folder.", where=out, next_step="Choose another --out.")
    begun = {entry.name for entry in out.iterdir()} - _BEFORE_A_RUN if out.exists() else set()
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
