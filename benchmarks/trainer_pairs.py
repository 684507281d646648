"""What two ways of training are given: the same pairs, the same start, the same measure of how far they have come."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from mling_embed.corpora.parallel import ParallelCorpus, Split
from mling_embed.encoders.static import StaticEncoder
from mling_embed.encoders.transformer import TransformerEncoder
from mling_embed.metrics.bitext import bitext_scores
from mling_embed.students.static_solver import fit_token_table
from mling_embed.students.transplant import transplant
from mling_embed.tokenizers.token_bags import TokenBags
from mling_embed.tokenizers.vocabulary import train_unigram
from mling_embed.training.targets import Targets
from mling_embed.training.training_set import TrainingSet

BATCH = 64  # pairs, of make_multilingual.py
VOCABULARY = 32_768  # of a start that is made here
LANGUAGES = ("de", "fr", "ru", "zh", "ja", "hi")


def add_pair_options(parser: argparse.ArgumentParser, *, dev_pairs: int) -> None:
    """Let a script be told what it runs on: all that `Pairs.draw` and `DevAccuracy` take, and where the result goes."""
    parser.add_argument("corpus", type=Path, help="a folder that `mling-embed data build` made")
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--languages", nargs="+", default=LANGUAGES)
    parser.add_argument("--pairs", type=int, default=20_000)
    parser.add_argument("--dev-pairs", type=int, default=dev_pairs, help="of each language")
    parser.add_argument("--seed", type=int, default=0)


def facts_of(corpus: ParallelCorpus, pairs: Pairs, dev: DevAccuracy) -> dict[str, Any]:
    """Return what a result says of what it was measured on."""
    return {
        "corpus": corpus.fingerprint,
        "languages": ", ".join(pairs.texts),
        "pairs": len(pairs),
        "english": len(pairs.english),
        "dev_pairs": sum(len(source) for source, _ in dev.sides),
    }


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs that both learn from.

    Attributes:
        english: Distinct English sentences.
        places: Language -> place in `english` of each of its pairs.
        texts: Language -> the translations, in the same order.
    """

    english: list[str]
    places: dict[str, ndarray]
    texts: dict[str, list[str]]

    def __len__(self) -> int:
        return sum(map(len, self.texts.values()))

    @classmethod
    def draw(cls, corpus: ParallelCorpus, languages: Sequence[str], n: int, *, seed: int) -> Pairs:
        """Draw English sentences with all their translations, so that groups are as large as in the corpus."""
        tables = {language: corpus.pairs(language, Split.TRAIN) for language in languages}
        n_of = np.bincount(
            np.concatenate([table.english_rows for table in tables.values()]), minlength=corpus.n_english
        )
        order = np.random.default_rng(seed).permutation(np.flatnonzero(n_of))
        drawn = np.sort(order[: int(np.searchsorted(np.cumsum(n_of[order]), n)) + 1])
        places, texts = {}, {}
        for language, table in tables.items():
            rows = np.flatnonzero(np.isin(table.english_rows, drawn))
            if len(rows):
                places[language] = np.searchsorted(drawn, table.english_rows[rows])
                texts[language] = table.text_list(rows)
        return cls(corpus.english_texts(drawn), places, texts)

    def whole_batches(self, share: float) -> Pairs:
        """Return a share of the pairs, each language cut to whole batches: the recipe gets no smaller ones."""
        kept = {language: int(len(texts) * share) // BATCH * BATCH for language, texts in self.texts.items()}
        kept = {language: n for language, n in kept.items() if n}
        used = np.unique(np.concatenate([self.places[language][:n] for language, n in kept.items()]))
        return Pairs(
            [self.english[place] for place in used],
            {language: np.searchsorted(used, self.places[language][:n]) for language, n in kept.items()},
            {language: self.texts[language][:n] for language, n in kept.items()},
        )

    def sentences(self, student: SentenceTransformer) -> TrainingSet:
        """Return what our trainer takes."""
        tokenizer = Tokenizer.from_str(student.tokenizer.backend_tokenizer.to_str())
        tokenizer.no_padding()
        tokenizer.no_truncation()
        bags = TokenBags.of(tokenizer, [self.english, *self.texts.values()])
        parts = [np.arange(len(self.english)), *self.places.values()]
        return TrainingSet(bags, np.concatenate(parts), np.repeat(np.arange(len(parts)), [len(part) for part in parts]))


class DevAccuracy:
    """Measure how often the nearest sentence is the translation, both ways, on a fixed part of the dev split."""

    def __init__(self, corpus: ParallelCorpus, languages: Sequence[str], n: int, *, seed: int) -> None:
        self.sides: list[tuple[list[str], list[str]]] = []
        for language in languages:
            table = corpus.pairs(language, Split.DEV)
            places = table.first_pairs()
            chosen = places[np.sort(np.random.default_rng(seed).permutation(len(places))[:n])]
            if len(chosen):
                self.sides.append((table.text_list(chosen), corpus.english_texts(table.english_rows[chosen])))

    def __call__(self, student: SentenceTransformer) -> float:
        """Return the mean accuracy of languages and directions."""
        training = student.training
        texts = list(dict.fromkeys(text for sides in self.sides for side in sides for text in side))
        vectors = TransformerEncoder(student, prompt="").encode(texts)
        place = {text: number for number, text in enumerate(texts)}
        found = []
        for sides in self.sides:
            source, target = (vectors[[place[text] for text in side]] for side in sides)
            scores = bitext_scores(source, target, source_texts=sides[0], target_texts=sides[1])
            found.append((scores.forward.accuracy + scores.backward.accuracy) / 2)
        student.train(training)
        return float(np.mean(found))


def made_start(folder: Path, pairs: Pairs, teacher: SentenceTransformer, targets: Targets, *, seed: int) -> Path:
    """Fit a static student to the pairs, and transplant its vocabulary into the teacher."""
    texts = [*pairs.english, *(text for part in pairs.texts.values() for text in part)]
    tokenizer = train_unigram(texts, size=VOCABULARY)
    bags = TokenBags.of(tokenizer, [pairs.english, *pairs.texts.values()])
    rows = np.concatenate([np.arange(len(pairs.english)), *pairs.places.values()])
    table = fit_token_table(bags, rows, targets, vocabulary_size=tokenizer.get_vocab_size(), seed=seed)
    transplant(teacher, StaticEncoder(tokenizer, table), pairs.english).save(str(folder), create_model_card=False)
    return folder
