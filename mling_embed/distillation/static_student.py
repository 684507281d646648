"""Make a static student of a corpus: vocabulary, token bags, token table."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Int
from numpy import ndarray
from tokenizers import Tokenizer

from mling_embed.corpora.parallel import ParallelCorpus, Split
from mling_embed.distillation.static_solver import StaticFit, fit_token_table
from mling_embed.distillation.targets import Targets
from mling_embed.encoders.bags import TokenBags
from mling_embed.encoders.static import StaticEncoder, count_words
from mling_embed.encoders.vocabulary import finer as finer_tokenizer
from mling_embed.encoders.vocabulary import train_unigram, vocabulary_size
from mling_embed.files import write_text
from mling_embed.progress import Progress, silent

logger = logging.getLogger(__name__)

_VOCABULARY_WORK = "training the vocabulary"
_TOKENIZE_WORK = "tokenizing"
_SAMPLE_PER_LANGUAGE = 5_000
_SAMPLE_ENGLISH = 20_000
_SENTENCES_AT_A_TIME = 16_384


@dataclass(frozen=True, slots=True)
class TrainingBags:
    """All training sentences as bags of tokens, and the English row whose target each has.

    Attributes:
        bags: The sentences: English first, then language by language.
        target_rows: English row of each. Shape: (n_sentences,).
    """

    bags: TokenBags
    target_rows: Int[ndarray, " n_sentences"]


def fit_static_student(
    corpus: ParallelCorpus,
    targets: Targets,
    folder: Path,
    *,
    size: int | Literal["auto"] = "auto",
    lowercase: bool = True,
    finer: Sequence[int] = (),
    fit: StaticFit = StaticFit(),  # noqa: B008 -- frozen
    progress: Progress = silent,
) -> StaticEncoder:
    """Fit a static student to the targets of a corpus's training split.

    Args:
        corpus: Parallel text.
        targets: The teacher's vectors of the corpus's English rows.
        folder: Where the vocabulary and the state after each epoch are kept, so that a stopped run goes on.
        size: Entries of the vocabulary; ``auto`` chooses by the corpus.
        lowercase: Merge cases.
        finer: Longest piece, in characters, of further segmentations to learn from.
        fit: How the token table is fitted.
        progress: Told of the work done.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tokenizer.json"
    if path.exists():
        tokenizer = Tokenizer.from_file(str(path))
    else:
        progress(_VOCABULARY_WORK, 0, None)
        if size == "auto":
            size = vocabulary_size(count_words(_training_texts(corpus)))
        tokenizer = train_unigram(_vocabulary_sample(corpus, fit.seed), size=size, lowercase=lowercase)
        write_text(path, tokenizer.to_str())
        progress(_VOCABULARY_WORK, 1, 1)
    training = training_bags(corpus, tokenizer, finer=finer, progress=progress)
    table = fit_token_table(
        training.bags,
        training.target_rows,
        targets,
        vocabulary_size=tokenizer.get_vocab_size(),
        fit=fit,
        checkpoints=folder,
        progress=progress,
    )
    return StaticEncoder(tokenizer, table)


def training_bags(
    corpus: ParallelCorpus, tokenizer: Tokenizer, *, finer: Sequence[int] = (), progress: Progress = silent
) -> TrainingBags:
    """Tokenize the training split: each English row once, then its translations; all again for each of `finer`."""
    english = corpus.english_rows(Split.TRAIN)
    rows = [english, *(corpus.pairs(language, Split.TRAIN).english_rows for language in corpus.languages)]
    total = sum(map(len, rows))

    def texts() -> Iterator[list[str]]:
        done = 0
        for part in _training_texts(corpus):
            yield part
            done += len(part)
            progress(_TOKENIZE_WORK, done, total)

    tokenizers = [tokenizer, *(finer_tokenizer(tokenizer, longest) for longest in finer)]
    bags = TokenBags.joined([TokenBags.of(each, texts()) for each in tokenizers])
    return TrainingBags(bags, np.tile(np.concatenate(rows), len(tokenizers)))


def shuffled_control(
    corpus: ParallelCorpus,
    targets: Targets,
    tokenizer: Tokenizer,
    *,
    fit: StaticFit,
    finer: Sequence[int] = (),
    progress: Progress = silent,
) -> StaticEncoder:
    """Fit the same student to the same sentences, each translation with the target of another: what chance reaches."""
    training = training_bags(corpus, tokenizer, finer=finer)
    n_english = len(corpus.english_rows(Split.TRAIN))
    once = training.target_rows[: len(training.target_rows) // (1 + len(finer))].copy()
    once[n_english:] = np.random.default_rng(fit.seed).permutation(once[n_english:])
    rows = np.tile(once, 1 + len(finer))
    size = tokenizer.get_vocab_size()
    table = fit_token_table(training.bags, rows, targets, vocabulary_size=size, fit=fit, progress=progress)
    return StaticEncoder(tokenizer, table)


def untrained(student: StaticEncoder, *, seed: int) -> StaticEncoder:
    """Return a student with the same vocabulary and random token vectors."""
    table = np.random.default_rng(seed).standard_normal(tuple(student.table.shape), dtype=np.float32)
    return StaticEncoder(student.tokenizer, table)


def _training_texts(corpus: ParallelCorpus) -> Iterator[list[str]]:
    """Yield the training sentences, English and then each language, in lists."""
    rows = corpus.english_rows(Split.TRAIN)
    for start in range(0, len(rows), _SENTENCES_AT_A_TIME):
        yield corpus.english_texts(rows[start : start + _SENTENCES_AT_A_TIME])
    for language in corpus.languages:
        table = corpus.pairs(language, Split.TRAIN)
        for start in range(0, len(table), _SENTENCES_AT_A_TIME):
            yield table.text_list(np.arange(start, min(start + _SENTENCES_AT_A_TIME, len(table))))


def _vocabulary_sample(corpus: ParallelCorpus, seed: int) -> Iterator[str]:
    """Yield training sentences in which no language outweighs the others."""
    random = np.random.default_rng(seed)
    english = corpus.english_rows(Split.TRAIN)
    yield from corpus.english_texts(_sample(english, _SAMPLE_ENGLISH, random))
    for language in corpus.languages:
        table = corpus.pairs(language, Split.TRAIN)
        yield from table.text_list(_sample(np.arange(len(table)), _SAMPLE_PER_LANGUAGE, random))


def _sample(rows: Int[ndarray, " n"], size: int, random: np.random.Generator) -> Int[ndarray, " _"]:
    return rows if len(rows) <= size else np.sort(random.choice(rows, size, replace=False))
