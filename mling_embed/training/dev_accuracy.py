"""How a student is measured while it trains: by the dev split, among the teacher's vectors."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from mling_embed.corpora.parallel import ParallelCorpus, Split
from mling_embed.encoders.transformer import TransformerEncoder
from mling_embed.files import read_json, write_json
from mling_embed.languages import ENGLISH
from mling_embed.metrics.bitext import bitext_scores
from mling_embed.training.state import TrainingState
from mling_embed.training.targets import Targets

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)

_DEV_SENTENCES = 4_000  # of all languages together
_DEV_OF_LANGUAGE = (20, 500)
_OWN_INDEX_MAY_LOSE = 0.01


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

    def __call__(self, student: SentenceTransformer, state: TrainingState) -> float:
        """Return the score of a student."""
        return float(np.mean(list(self.by_language(student).values())))

    def by_language(self, student: SentenceTransformer) -> dict[str, float]:
        """Return the accuracy of each language."""
        return self._found(self._vectors(student, 0), [wanted for _, wanted, _ in self.languages.values()])

    def both_indices(self, student: SentenceTransformer) -> tuple[float, float]:
        """Return the mean accuracy among the teacher's vectors of the English, and among the student's own."""
        vectors = self._vectors(student, 0)
        indices = [wanted for _, wanted, _ in self.languages.values()], self._vectors(student, 2)
        teacher, own = (float(np.mean(list(self._found(vectors, index).values()))) for index in indices)
        return teacher, own

    def _vectors(self, student: SentenceTransformer, side: Literal[0, 2]) -> list[Float32[ndarray, "_ dim"]]:
        """Return the student's vectors of each language's translations (0) or of their English (2)."""
        parts = [each[side] for each in self.languages.values()]
        vectors = TransformerEncoder(student).encode([text for part in parts for text in part])
        return np.split(vectors, np.cumsum([len(part) for part in parts])[:-1])

    def _found(
        self, vectors: Sequence[Float32[ndarray, "_ dim"]], index: Sequence[Float32[ndarray, "_ dim"]]
    ) -> dict[str, float]:
        found = {}
        for (language, (texts, _, english)), part, wanted in zip(self.languages.items(), vectors, index, strict=True):
            scores = bitext_scores(part, wanted, source_texts=texts, target_texts=english)
            found[language] = scores.forward.safe_accuracy
        return found


class NeverBelowStart:
    """Score a student by the teacher's index, as long as its own index holds what it found there at the start.

    A student that starts from a multilingual encoder finds translations among its own vectors before its first step.
    What it loses there counts as no gain: its score is then at most that of the start, whose weights are kept.

    Args:
        dev: Measures both.
        file: Where the scores of the start are kept, for a resumed training.
    """

    def __init__(self, dev: DevAccuracy, file: Path) -> None:
        self.dev, self.file = dev, file

    def __call__(self, student: SentenceTransformer, state: TrainingState) -> float:
        """Return the score of a student; that of the start is the first that is asked for."""
        teacher, own = self.dev.both_indices(student)
        logger.info("step %d: %.4f in the teacher's index, %.4f in its own", state.step, teacher, own)
        if not state.step:
            write_json(self.file, {"teacher_index": teacher, "own_index": own})
            return teacher
        start = read_json(self.file)
        if own < start["own_index"] - _OWN_INDEX_MAY_LOSE:
            logger.warning("step %d: its own index fell from %.4f to %.4f", state.step, start["own_index"], own)
            return min(teacher, float(start["teacher_index"]))
        return teacher


def _dev_sentences(corpus: ParallelCorpus, seed: int) -> Iterator[tuple[str, np.ndarray, list[str]]]:
    """Yield each language with English rows of its dev pairs, each row once, and their translations."""
    least, most = _DEV_OF_LANGUAGE
    share = min(most, max(least, _DEV_SENTENCES // max(1, len(corpus.languages))))
    for language in corpus.languages:
        table = corpus.pairs(language, Split.DEV)
        places = table.first_pairs()
        if len(places) < least:
            continue
        chosen = places[np.sort(np.random.default_rng(seed).permutation(len(places))[:share])]
        yield language, table.english_rows[chosen], table.text_list(chosen)
