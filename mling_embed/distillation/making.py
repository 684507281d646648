"""Make the student that a configuration asks for: a start, and what training makes of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mling_embed.corpora.parallel import ParallelCorpus
from mling_embed.distillation.config import DistillConfig, StudentKind
from mling_embed.distillation.run_log import RunLog
from mling_embed.encoders.heads import fit_head
from mling_embed.encoders.pca import Rotation
from mling_embed.encoders.static import StaticEncoder
from mling_embed.encoders.teacher import Teacher
from mling_embed.files import read_json, write_json
from mling_embed.progress import Progress
from mling_embed.students.extended import extended_start, student_to_extend
from mling_embed.students.forgetting import Forgetting, NewBesideOld, changed_shares
from mling_embed.students.pretrained import starting_student
from mling_embed.students.replay import replay_set, replayed_pairs
from mling_embed.students.static import fit_static_student
from mling_embed.students.transformer import keep_start, kept_start, train_transformer_student
from mling_embed.students.transplant import transplanted_student
from mling_embed.training.dev_accuracy import DevAccuracy
from mling_embed.training.distributed import is_main
from mling_embed.training.targets import Targets
from mling_embed.training.trainer import train

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_BEFORE_FILE = "before.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """All that a student is made from.

    Attributes:
        config: What is asked for.
        body: The teacher as it was given, whose transformer a transplant takes.
        teacher: The teacher whose vectors the targets are: the same, or with a rotation behind it.
        rotation: That rotation.
        corpus: Parallel text.
        targets: The teacher's vectors of the corpus's English rows.
        folder: Where the start and the checkpoints are kept.
        log: Of the run.
        progress: Told of the work done.
    """

    config: DistillConfig
    body: Teacher
    teacher: Teacher
    rotation: Rotation | None
    corpus: ParallelCorpus
    targets: Targets
    folder: Path
    log: RunLog
    progress: Progress

    def start(self) -> StaticEncoder | SentenceTransformer:
        """Return what the student is before it is trained as a transformer: a static one is done."""
        kind = self.config.student.kind
        if kind is StudentKind.STATIC:
            return self._static()
        start = kept_start(self.folder)
        if start is None:
            makers = {StudentKind.TRANSPLANT: self._transplanted, StudentKind.EXTENDED: self._extended}
            start = makers.get(kind, self._pretrained)()
            keep_start(start, self.folder)
        return start

    def trained(self, start: SentenceTransformer) -> SentenceTransformer:
        """Return a transformer student after its training; all processes of a run train together."""
        if self.config.student.kind is StudentKind.EXTENDED:
            return self._trained_on(start)
        with self.log.step("train"):
            return train_transformer_student(
                start,
                self.corpus,
                self.targets,
                self.folder,
                settings=self.config.train,
                seed=self.config.seed,
                progress=self.progress,
            )

    def _static(self) -> StaticEncoder:
        with self.log.step("student"):
            return fit_static_student(
                self.corpus,
                self.targets,
                self.folder,
                size=self.config.student.vocabulary_size,
                lowercase=self.config.student.lowercase,
                finer=self.config.student.finer,
                fit=self.config.fit,
                seed=self.config.seed,
                progress=self.progress,
            )

    def _transplanted(self) -> SentenceTransformer:
        static = self._static()
        with self.log.step("transplant"):
            start = transplanted_student(
                self.body,
                static,
                self.corpus,
                seed=self.config.seed,
                checkpoints=self.folder / "rows",
                progress=self.progress,
            )
            facts = self.teacher.facts
            return fit_head(start, dim=facts.dim, unit_norm=facts.unit_norm, rotation=self.rotation)

    def _pretrained(self) -> SentenceTransformer:
        with self.log.step("start"):
            return starting_student(
                self.config.student, self.teacher, self.corpus, seed=self.config.seed, progress=self.progress
            )

    def _extended(self) -> SentenceTransformer:
        with self.log.step("start") as facts:
            student = student_to_extend(self.config.student, self.teacher, self.corpus)
            dev = self._dev_of_extended()
            tokenizer, before = student.tokenizer, dev.by_language(student)
            start, added = extended_start(student, self.config.student, self.teacher, self.corpus)
            changed = changed_shares(dev, tokenizer, start.tokenizer)
            facts.update(before=before, vocabulary={language: asdict(each) for language, each in added.items()})
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / _BEFORE_FILE, {"accuracy": before, "changed": changed})
        return start

    def _trained_on(self, start: SentenceTransformer) -> SentenceTransformer:
        """Train an extended student on its new languages beside old ones, and write what it knew and knows of each."""
        config, dev = self.config, self._dev_of_extended()
        new = config.student.new_languages
        with self.log.step("train") as facts:
            chosen = replayed_pairs(self.corpus, new, ratio=config.student.replay_ratio, seed=config.seed)
            facts.update(pairs={language: len(rows) for language, rows in chosen.items()})
            sentences = replay_set(self.corpus, chosen, start, progress=self.progress)
            # Measured on old languages alone, the start would be the best: then keep the last weights.
            measure = NewBesideOld(dev, new) if dev.languages.keys() & set(new) else None
            train(
                start,
                sentences,
                self.targets,
                settings=config.train,
                folder=self.folder,
                seed=config.seed,
                measure=measure,
                progress=self.progress,
            )
        if is_main():
            with self.log.step("forgetting"):
                known = read_json(self.folder / _BEFORE_FILE)
                sizes = {language: len(texts) for language, (texts, _, _) in dev.languages.items()}
                after = dev.by_language(start)
                Forgetting.of(new, sizes, known["accuracy"], after, known["changed"]).write(config.out)
        return start

    def _dev_of_extended(self) -> DevAccuracy:
        return DevAccuracy(self.corpus, self.targets, seed=self.config.seed, english=True)
