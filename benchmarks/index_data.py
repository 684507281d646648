"""The sentences that the index is measured on: everyday sentences of ten languages (Tatoeba), from the shared pool."""

from __future__ import annotations

import io
import time
from typing import NamedTuple

import numpy as np
import zstandard
from conditions_file import data_folder
from measure import talk

from mling_embed.encoders.contract import Encoder, PromptRole
from mling_embed.evaluation.kept_vectors import vectors_folder
from mling_embed.evaluation.vectors import Vectors

FILE = "pool/train_tatoeba.tsv.zst"
LANGUAGES = ("cs", "de", "es", "fr", "it", "ja", "nl", "ru", "tr", "zh")
PER_LANGUAGE = 10_050
QUERIES_PER_LANGUAGE = 100
SAMPLE = 256  # passages that are encoded again


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


def vectors_of(encoder: Encoder, texts: list[str], role: PromptRole) -> np.ndarray:
    """Encode texts, each only once for all benchmarks and evaluations of this encoder: the cache keeps the vectors."""
    return Vectors(encoder, [(role, texts)], keep=vectors_folder(), progress=talk).of(texts, role=role)


def encoding(encoder: Encoder, texts: list[str], vectors: np.ndarray) -> dict[str, float]:
    """Encode some passages here; return the rate, and how far the vectors are from those that are used."""
    places = np.linspace(0, len(texts) - 1, min(SAMPLE, len(texts))).astype(int)
    chosen = [texts[place] for place in places]
    encoder.encode(chosen[:16], role=PromptRole.PASSAGE)
    began = time.perf_counter()
    again = encoder.encode(chosen, role=PromptRole.PASSAGE)
    rate = len(chosen) / (time.perf_counter() - began)
    return {"encoded_per_second": rate, "vectors_differ_by": float(np.abs(again - vectors[places]).max())}
