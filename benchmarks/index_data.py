"""The sentences that the index is measured on: everyday sentences of ten languages (Tatoeba), from the shared pool."""

from __future__ import annotations

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
import zstandard
from conditions_file import data_folder
from measure import say

from mling_embed.encoders.contract import Encoder, PromptRole

FILE = "pool/train_tatoeba.tsv.zst"
LANGUAGES = ("cs", "de", "es", "fr", "it", "ja", "nl", "ru", "tr", "zh")
PER_LANGUAGE = 10_050
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


def read_sentences(*, per_language: int = PER_LANGUAGE) -> Sentences:
    """Draw distinct sentences of each language; every so many of them has its English as a query."""
    english: dict[str, dict[str, str]] = {language: {} for language in LANGUAGES}
    with (data_folder() / FILE).open("rb") as file:
        for line in io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), encoding="utf-8", newline="\n"):
            language, source, other = line.rstrip("\n").split("\t")[:3]
            if language in english:
                english[language][other] = source
    found = Sentences([], [], [], [], [])
    for language, known in english.items():
        places = np.sort(np.random.default_rng(0).choice(len(known), per_language, replace=False))
        everything = list(known)
        texts = [everything[place] for place in places]
        ids = [f"{language}|{number}" for number in range(len(texts))]
        found.ids.extend(ids)
        found.texts.extend(texts)
        found.languages.extend([language] * len(texts))
        step = len(texts) // QUERIES_PER_LANGUAGE
        found.queries.extend(known[text] for text in texts[::step])
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
