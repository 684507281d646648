"""What a student is made from: teacher, corpus, targets, as a configuration names them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from mling_embed.corpora.build import build_corpus
from mling_embed.corpora.corpus_input import LINES
from mling_embed.corpora.inputs import CorpusInput, guess_input, monolingual_input
from mling_embed.corpora.manifests import Role, load_manifest
from mling_embed.corpora.parallel import ParallelCorpus, Split
from mling_embed.corpora.rejects import tell_rejects
from mling_embed.corpora.selection import select_pairs
from mling_embed.corpora.sources import corpus_inputs
from mling_embed.distillation.config import DataConfig, DistillConfig, StudentKind
from mling_embed.distillation.int8_labels import exact, labeller_of
from mling_embed.distillation.run_log import RunLog
from mling_embed.encoders.anatomy import require_known_family
from mling_embed.encoders.contract import Encoder
from mling_embed.encoders.fitness import EncoderFacts, examine, require_cosine, truncated_share
from mling_embed.encoders.loading import load, load_sentence_transformer, sentence_transformer_of
from mling_embed.encoders.model_card import rotated_teacher_card
from mling_embed.encoders.pca import Rotation
from mling_embed.encoders.precision import Precision
from mling_embed.errors import UsageError
from mling_embed.progress import Progress, silent
from mling_embed.students.extended import student_to_extend
from mling_embed.students.head_sample import head_sample
from mling_embed.students.static import LabelledText
from mling_embed.students.transformer import require_trainable
from mling_embed.training.distributed import is_main
from mling_embed.training.rotated import rotate
from mling_embed.training.targets import Targets, TargetStore

logger = logging.getLogger(__name__)

TEACHER_FOLDER = "teacher"
SELECTION_FOLDER = "selection"
MONOLINGUAL_FOLDER = "monolingual"
_TRUNCATION_SAMPLE = 2_000


def note(line: str) -> None:
    """Log what a caller did not ask to be told."""
    logger.log(logging.WARNING if line.startswith("warning") else logging.INFO, "%s", line)


@dataclass(frozen=True, slots=True, kw_only=True)
class Materials:
    """All that a student is made from.

    Attributes:
        body: The teacher as it was given, whose transformer a transplant takes.
        teacher: The teacher whose vectors the targets are: the same, or with a rotation behind it.
        facts: What a look at `teacher` found.
        rotation: What stands behind it, if anything.
        corpus: Parallel text.
        targets: The teacher's vectors of the corpus's English rows.
        monolingual: Sentences without translations, beside the parallel text.
        pieces: Labels the pieces of a vocabulary, where an encoder is named that reads every language of the text.
    """

    body: Encoder
    teacher: Encoder
    facts: EncoderFacts
    rotation: Rotation | None
    corpus: ParallelCorpus
    targets: Targets
    monolingual: LabelledText | None = None
    pieces: TargetStore | None = None

    @property
    def sources(self) -> dict[str, str]:
        """Fingerprints of corpus and teacher: a student of the same two is the same student."""
        found = {"corpus": self.corpus.fingerprint, "teacher": self.body.fingerprint}
        return found if self.monolingual is None else found | {"monolingual": self.monolingual.fingerprint}


def prepare(
    config: DistillConfig, log: RunLog, *, tell: Callable[[str], None] = note, progress: Progress = silent
) -> Materials:
    """Bring together what a student is made from; what is on disk already is not made again.

    Args:
        config: Of the run.
        log: Of the run.
        tell: Is given a line for each input: what share of its rows was kept, and why the others were not.
        progress: Told of the work done.

    Raises:
        UsageError: The teacher is not fit to teach, or the student cannot be what is asked for.
        DataError: Data or teacher cannot be read.
    """
    with log.step("teacher") as facts:
        body = load(
            config.teacher.name,
            device=config.device,
            prompt=config.teacher.prompt,
            precision=exact(config.teacher.precision),
        )
        found = examine(body)
        require_cosine(body, found)
        facts["fingerprint"] = body.fingerprint
    with log.step("corpus") as facts:
        corpus = open_or_build(config.data, config.out / "corpus", progress=progress)
        if config.data.corpus is None:
            tell_rejects(corpus, tell, allow_rejects=config.data.allow_rejects)
        corpus.require_training_text(pairs=config.data.has_pairs)
        corpus = selected(config, corpus, body)
        corpus.require_training_text(pairs=config.data.has_pairs)
        facts.update(english=corpus.n_english, pairs=corpus.n_pairs, fingerprint=corpus.fingerprint)
    _require_student(config, corpus, body, dim=found.dim)
    with log.step("targets") as facts:
        targets, precision, truncated = _targets(config, corpus, body, progress)
        facts.update(precision=precision, computed=targets.computed, truncated_share=truncated)
    monolingual, pieces = None, None
    if config.data.monolingual and (config.data.has_pairs or config.data.english):
        with log.step("monolingual") as facts:
            monolingual = _labelled(config, body, tell=tell, progress=progress)
            facts.update(sentences=len(monolingual.targets), computed=monolingual.targets.computed)
        pieces = None if config.teacher.monolingual is None else monolingual.store
    elif config.data.monolingual:
        pieces = TargetStore(body)
    teacher, rotation = body, None
    if config.student.dimensions is not None or config.student.truncatable:
        with log.step("rotation") as facts:
            dim = config.student.dimensions
            teacher, targets, rotation = rotate(body, targets, corpus, unit_norm=found.unit_norm, dim=dim)
            facts.update(kept=rotation.kept(targets.dim))
            found = examine(teacher)
            if is_main():
                teacher.save(config.out / TEACHER_FOLDER, model_card=rotated_teacher_card(config.teacher.name))
    return Materials(
        body=body,
        teacher=teacher,
        facts=found,
        rotation=rotation,
        corpus=corpus,
        targets=targets,
        monolingual=monolingual,
        pieces=pieces,
    )


def _targets(
    config: DistillConfig, corpus: ParallelCorpus, teacher: Encoder, progress: Progress
) -> tuple[Targets, Precision, float]:
    """Label the English rows that a run needs; return the number format, and the share that was cut off, too."""
    rows = _rows_to_label(config, corpus)
    english = corpus.english_texts(rows)
    store = TargetStore(teacher)
    missing = store.missing(english)
    labeller = labeller_of(teacher, config.teacher.name, wanted=config.teacher.precision, missing=missing)
    if labeller is not teacher:
        store = TargetStore(labeller)
    targets = store.compute(english, progress=progress).spread(rows, corpus.n_english)
    return targets, labeller.precision, truncated_share(teacher, english[:_TRUNCATION_SAMPLE])


def _labelled(
    config: DistillConfig, teacher: Encoder, *, tell: Callable[[str], None], progress: Progress
) -> LabelledText:
    """Read the sentences without translations, and let them be labelled in the teacher's space.

    Raises:
        UsageError: What labels them has vectors of another width than the teacher.
    """
    data, name = config.data, config.teacher.monolingual
    corpus = build_monolingual(data, config.out / MONOLINGUAL_FOLDER, progress=progress)
    tell_rejects(corpus, tell, allow_rejects=data.allow_rejects)
    corpus.require_training_text(pairs=False)
    labeller = teacher if name is None else load(name, device=config.device, precision=exact(config.teacher.precision))
    if labeller.dim != teacher.dim:
        raise UsageError(
            f"teacher.monolingual has vectors of {labeller.dim} dimensions, the teacher of {teacher.dim}.",
            where=name,
            next_step="Give a student of this teacher.",
        )
    store = TargetStore(labeller)
    targets = store.compute(corpus.english_texts(), work="labelling", progress=progress)
    return LabelledText(corpus, targets, store)


def build_monolingual(data: DataConfig, folder: Path, *, progress: Progress = silent) -> ParallelCorpus:
    """Build the corpus of sentences without translations that a configuration names."""
    return build_corpus(
        [monolingual_input(text) for text in data.monolingual],
        folder,
        dev_fraction=data.dev_fraction,
        decontaminate=data.decontaminate,
        languages=data.languages or None,
        progress=progress,
    )


def selected(config: DistillConfig, corpus: ParallelCorpus, teacher: Encoder) -> ParallelCorpus:
    """Return the part of a corpus that a run learns from, as its caps say."""
    data = config.data
    if data.max_pairs_per_language is None and data.max_tokens is None:
        return corpus
    fits = None if data.max_tokens is None else teacher.token_counts(corpus.english_texts()) <= data.max_tokens
    most = data.max_pairs_per_language
    return select_pairs(corpus, config.out / SELECTION_FOLDER, max_pairs_per_language=most, fits=fits, seed=config.seed)


def _rows_to_label(config: DistillConfig, corpus: ParallelCorpus) -> Int[ndarray, " n"]:
    """Return the English rows whose targets a run needs: of a head alone, those of its sample and of the dev split."""
    student = config.student
    head_alone = student.kind is StudentKind.PRETRAINED and config.train.max_steps == 0
    if not head_alone or student.dimensions is not None or student.truncatable:
        return np.arange(corpus.n_english)
    sample = head_sample(corpus, pairs=student.head_pairs, seed=config.seed)
    return np.union1d(sample.rows, corpus.english_rows(Split.DEV))


def open_or_build(data: DataConfig, folder: Path, *, progress: Progress = silent) -> ParallelCorpus:
    """Open the corpus that a configuration names, or build it: from pairs and manifests, or monolingual text alone."""
    if data.corpus is not None:
        return ParallelCorpus.open(data.corpus)
    if not data.has_pairs and not data.english:
        return build_monolingual(data, folder, progress=progress)
    languages = data.languages or None
    inputs: list[CorpusInput] = [guess_input(text) for text in data.pairs]
    inputs += [CorpusInput(paths=(path,), format=LINES) for path in data.english]
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


def _require_student(config: DistillConfig, corpus: ParallelCorpus, body: Encoder, *, dim: int) -> None:
    """Refuse, before the teacher's long work, a student that cannot be."""
    student = config.student
    if student.kind is StudentKind.TRANSPLANT:
        require_known_family(
            sentence_transformer_of(body),
            "its vocabulary cannot be replaced",
            next_step="Make a static student, or give an encoder to start from: --student NAME.",
        )
    elif student.kind is StudentKind.EXTENDED:
        extended = student_to_extend(str(student.name), corpus, new_languages=student.new_languages, dim=dim)
        require_known_family(extended, "its vocabulary cannot be extended", next_step="Start a new student: --student.")
    elif student.kind is StudentKind.PRETRAINED:
        require_trainable(
            load_sentence_transformer(str(student.name), device="cpu"),
            layers=student.layers,
            trim=student.trim_vocabulary,
            layer_decay=config.train.layer_learning_rate_decay,
            trained_layers=config.train.trained_layers,
        )
