"""The sentences that the index is measured on: the shortest of each language of a built corpus."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from measure import say

from mling_embed.corpora.parallel import ParallelCorpus
from mling_embed.encoders.contract import Encoder, PromptRole

PER_LANGUAGE = 6_700
QUERIES_PER_LANGUAGE = 100
_CHECKED = 32  # kept vectors that are computed again, to see that they are the model's


class Sentences(NamedTuple):
    """Sentences of many languages, and English translations of some of them to ask with.

    Attributes:
        ids: ``language|number``.
        languages: Of each sentence.
        texts: The sentences.
        queries: English sentences.
        answers: The ids of their translations.
    """

    ids: list[str]
    languages: list[str]
    texts: list[str]
    queries: list[str]
    answers: list[str]


def read_sentences(corpus: Path, *, per_language: int = PER_LANGUAGE) -> Sentences:
    """Read the shortest distinct sentences of each language; every so many of them has its English as a query."""
    opened = ParallelCorpus.open(corpus)
    found = Sentences([], [], [], [], [])
    for language in opened.languages:
        table = opened.pairs(language)
        english = dict(zip(table.text_list(), opened.english_texts(table.english_rows), strict=True))
        texts = sorted(english, key=lambda text: (len(text), text))[:per_language]
        ids = [f"{language}|{number}" for number in range(len(texts))]
        found.ids.extend(ids)
        found.texts.extend(texts)
        found.languages.extend([language] * len(texts))
        step = max(1, len(texts) // QUERIES_PER_LANGUAGE)
        found.queries.extend(english[text] for text in texts[::step])
        found.answers.extend(ids[::step])
    return found


def vectors_of(
    encoder: Encoder, texts: list[str], role: PromptRole, kept: Path | None, *, fewest: int = 2000
) -> np.ndarray:
    """Encode texts; many of them only once, if there is a place to keep their vectors."""
    if kept is None or len(texts) < fewest:
        return encoder.encode(texts, role=role)
    path = kept / f"{encoder.fingerprint[:16]}-{role}-{len(texts)}.npy"
    if path.exists():
        vectors = np.load(path)
        places = np.linspace(0, len(texts) - 1, _CHECKED).astype(int)
        again = encoder.encode([texts[place] for place in places], role=role)
        worst = float(np.abs(again - vectors[places]).max() / np.abs(again).max())
        if worst < 1e-4:
            say(f"{path.name}: kept vectors, the same as the model's within {worst:.1e}")
            return vectors
        say(f"{path.name} is not of these texts (differs by {worst:.1e}): encoding them again")
    vectors = encoder.encode(texts, role=role)
    kept.mkdir(parents=True, exist_ok=True)
    np.save(path, vectors)
    return vectors
