"""Make a transformer student: where it starts from, what it reads, how it is measured while it trains."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mling_embed.corpora.parallel import ParallelCorpus, Split
from mling_embed.distillation.config import StudentConfig, TrainConfig
from mling_embed.distillation.head import fit_head
from mling_embed.distillation.input_fit import fit_input_rows
from mling_embed.distillation.sentences import training_sentences, training_texts
from mling_embed.distillation.standing import State
from mling_embed.distillation.targets import Targets
from mling_embed.distillation.trainer import train
from mling_embed.encoders.anatomy import encoder_layers
from mling_embed.encoders.fast_tokenizers import plain_tokenizer
from mling_embed.encoders.loading import load_encoder
from mling_embed.encoders.pruning import choose_layers, prune_layers
from mling_embed.encoders.static import StaticEncoder
from mling_embed.encoders.teacher import Teacher
from mling_embed.encoders.transplant import transplant
from mling_embed.encoders.trimming import trim_vocabulary
from mling_embed.errors import UsageError
from mling_embed.files import replacing_folder
from mling_embed.languages import ENGLISH
from mling_embed.metrics.bitext import bitext_scores
from mling_embed.progress import Progress, silent

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)

_START = "start"
_ENGLISH_SAMPLE = 100_000
_DEV_SENTENCES = 4_000  # of all languages together
_DEV_OF_LANGUAGE = (20, 500)


def train_transformer_student(
    start: SentenceTransformer,
    corpus: ParallelCorpus,
    targets: Targets,
    folder: Path,
    *,
    settings: TrainConfig,
    seed: int = 0,
    progress: Progress = silent,
) -> SentenceTransformer:
    """Train a student on a corpus's training split; a stopped training in the same folder goes on.

    Args:
        start: Where it starts from, with the head that the targets ask for; it is changed.
        corpus: Parallel text.
        targets: The teacher's vectors of the corpus's English rows.
        folder: Of the checkpoints and the log.
        settings: Of the training.
        seed: Of batches and dropout.
        progress: Told of the work done.

    Returns:
        The student with the weights that did best on the dev split, or the last ones without one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sentences = training_sentences(corpus, plain_tokenizer(start), progress=progress)
    dev = DevAccuracy(corpus, targets, seed=seed)
    train(
        start,
        sentences,
        targets,
        settings=settings,
        folder=folder,
        seed=seed,
        measure=dev if dev else None,
        progress=progress,
    )
    return start


def starting_student(
    config: StudentConfig, teacher: Teacher, corpus: ParallelCorpus, *, seed: int = 0, progress: Progress = silent
) -> SentenceTransformer:
    """Return the pretrained encoder that a configuration names: pruned, trimmed, and with the teacher's head.

    Raises:
        UsageError: The configuration asks for what the encoder cannot give.
    """
    if config.name is None:
        raise UsageError("student.name: names no encoder to start from.")
    student = load_encoder(config.name, device="cpu")
    if config.layers is not None:
        kept = config.layers
        numbers = choose_layers(len(encoder_layers(student)), kept) if isinstance(kept, int) else kept
        student = prune_layers(student, numbers)
    if config.trim_vocabulary:
        trimmed = trim_vocabulary(student, training_texts(corpus), progress=progress)
        logger.info("trimmed %d rows, %.1f MB", trimmed.rows_saved, trimmed.megabytes_saved)
        student = trimmed.model
    return fit_head(student, dim=teacher.facts.dim, unit_norm=teacher.facts.unit_norm, seed=seed)


def transplanted_student(
    teacher: Teacher,
    static: StaticEncoder,
    corpus: ParallelCorpus,
    *,
    seed: int = 0,
    checkpoints: Path | None = None,
    progress: Progress = silent,
) -> SentenceTransformer:
    """Return the teacher's transformer with the vocabulary of a static student of the same corpus.

    Args:
        teacher: Whose body is taken.
        static: Whose vocabulary is taken, and whose token vectors say what means the same.
        corpus: Parallel text, through which the rows are fitted (`fit_input_rows`).
        seed: Of that fit.
        checkpoints: Folder of its state, so that a stopped one goes on.
        progress: Told of the work done.
    """
    rows = corpus.english_rows(Split.TRAIN)
    sample = rows[:: max(1, len(rows) // _ENGLISH_SAMPLE)]
    start = transplant(teacher.model, static, corpus.english_texts(sample))
    fit_input_rows(start, teacher.model, corpus, seed=seed, checkpoints=checkpoints, progress=progress)
    return start


def kept_start(folder: Path) -> SentenceTransformer | None:
    """Return the start that `keep_start` wrote, or `None`."""
    return load_encoder(folder / _START, device="cpu") if (folder / _START).exists() else None


def keep_start(start: SentenceTransformer, folder: Path) -> None:
    """Write where a student starts from, so that a stopped run need not make it again."""
    save_transformer(start, folder / _START, model_card="")


def save_transformer(student: SentenceTransformer, folder: Path, *, model_card: str) -> None:
    """Write a folder that plain sentence-transformers loads; it appears when it is whole."""
    with replacing_folder(folder) as part:
        student.save(str(part), create_model_card=False)
        (part / "README.md").write_text(model_card, encoding="utf-8")


class DevAccuracy:
    """Measure translation accuracy on the dev split: the English of a sentence is searched among the teacher's vectors.

    The score is the mean over languages, each with as many English candidates as it has dev sentences here.

    Args:
        corpus: Whose dev split is searched.
        targets: The teacher's vectors of the corpus's English rows.
        seed: Of the sentences drawn.
        english: Measure English too: whether its own sentences are still where the teacher has them.
    """

    def __init__(self, corpus: ParallelCorpus, targets: Targets, *, seed: int = 0, english: bool = False) -> None:
        self.languages = {
            language: (texts, targets.take(rows).astype(np.float32), corpus.english_texts(rows))
            for language, rows, texts in _dev_sentences(corpus, seed)
        }
        rows = corpus.english_rows(Split.DEV)
        if english and len(rows):
            rows = np.sort(np.random.default_rng(seed).permutation(rows)[: _DEV_OF_LANGUAGE[1]])
            texts = corpus.english_texts(rows)
            self.languages = {ENGLISH: (texts, targets.take(rows).astype(np.float32), texts), **self.languages}

    def __len__(self) -> int:
        """Return the number of languages that can be measured."""
        return len(self.languages)

    def __call__(self, student: SentenceTransformer, state: State) -> float:
        """Return the score of a student."""
        return float(np.mean(list(self.by_language(student).values())))

    def by_language(self, student: SentenceTransformer) -> dict[str, float]:
        """Return the accuracy of each language."""
        texts = [text for part, _, _ in self.languages.values() for text in part]
        vectors = Teacher(student).encode(texts)
        found, start = {}, 0
        for language, (part, wanted, english) in self.languages.items():
            scores = bitext_scores(vectors[start : start + len(part)], wanted, source_texts=part, target_texts=english)
            found[language] = scores.forward.safe_accuracy
            start += len(part)
        return found


def _dev_sentences(corpus: ParallelCorpus, seed: int) -> Iterator[tuple[str, np.ndarray, list[str]]]:
    """Yield each language with English rows of its dev pairs, each row once, and their translations."""
    least, most = _DEV_OF_LANGUAGE
    share = min(most, max(least, _DEV_SENTENCES // max(1, len(corpus.languages))))
    for language in corpus.languages:
        table = corpus.pairs(language, Split.DEV)
        rows, places = np.unique(table.english_rows, return_index=True)
        if len(rows) < least:
            continue
        chosen = np.sort(np.random.default_rng(seed).permutation(len(rows))[:share])
        yield language, rows[chosen], table.text_list(places[chosen])
