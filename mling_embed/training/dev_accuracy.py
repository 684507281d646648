"""How a student is measured while it trains: by the dev split, among the teacher's vectors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from mling_embed.corpora.parallel import ParallelCorpus, Split
from mling_embed.encoders.transformer import TransformerEncoder
from mling_embed.languages import ENGLISH
from mling_embed.metrics.bitext import bitext_scores
from mling_embed.training.state import TrainingState
from mling_embed.training.targets import Targets

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_DEV_SENTENCES = 4_000  # of all languages together
_DEV_OF_LANGUAGE = (20, 500)


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
        texts = [text for part, _, _ in self.languages.values() for text in part]
        vectors = TransformerEncoder(student).encode(texts)
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
