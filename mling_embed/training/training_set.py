"""The sentences that a student learns from: tokenized, each with the English row whose target it has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from numpy import ndarray
from tokenizers import Tokenizer

from mling_embed.corpora.parallel import ParallelCorpus, Split
from mling_embed.errors import DataError
from mling_embed.progress import Progress, silent
from mling_embed.tokenizers.token_bags import TokenBags
from mling_embed.tokenizers.vocabulary import finer as finer_tokenizer

ENGLISH_NUMBER = 0

_WORK = "tokenizing"
_SENTENCES_AT_A_TIME = 16_384


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """What is trained on: English first, then language by language.

    Attributes:
        bags: Token ids of all sentences, without special tokens.
        target_rows: English row of each sentence. Shape: (n,).
        languages: Number of each sentence's language; 0 is English. Shape: (n,).

    Raises:
        DataError: The arrays are not of one length.
    """

    bags: TokenBags
    target_rows: Int[ndarray, " n"]
    languages: Int[ndarray, " n"]

    def __post_init__(self) -> None:
        found = (len(self.bags), len(self.target_rows), len(self.languages))
        if len(set(found)) > 1:
            raise DataError(f"sentences, their target rows and their languages differ in number: {found}.")

    def __len__(self) -> int:
        """Return the number of sentences."""
        return len(self.target_rows)


def training_sentences(
    corpus: ParallelCorpus,
    tokenizer: Tokenizer,
    *,
    prompt: str = "",
    finer: Sequence[int] = (),
    progress: Progress = silent,
) -> TrainingSet:
    """Tokenize the training split: each English row once, then its translations; all again for each of `finer`.

    Args:
        corpus: Parallel text.
        tokenizer: The student's.
        prompt: What the student puts before every text.
        finer: Longest piece of further segmentations.
        progress: Told of sentences done.
    """
    rows = [corpus.english_rows(Split.TRAIN)]
    rows += [corpus.pairs(language, Split.TRAIN).english_rows for language in corpus.languages]
    total = sum(map(len, rows))

    def texts() -> Iterator[list[str]]:
        done = 0
        for part in training_texts(corpus):
            yield [prompt + text for text in part]
            done += len(part)
            progress(_WORK, done, total)

    tokenizers = [tokenizer, *(finer_tokenizer(tokenizer, longest) for longest in finer)]
    return TrainingSet(
        TokenBags.joined([TokenBags.of(each, texts()) for each in tokenizers]),
        np.tile(np.concatenate(rows), len(tokenizers)),
        np.tile(np.repeat(np.arange(len(rows)), [len(part) for part in rows]), len(tokenizers)),
    )


def training_texts(corpus: ParallelCorpus) -> Iterator[list[str]]:
    """Yield the training sentences, English and then each language, in lists."""
    rows = corpus.english_rows(Split.TRAIN)
    for start in range(0, len(rows), _SENTENCES_AT_A_TIME):
        yield corpus.english_texts(rows[start : start + _SENTENCES_AT_A_TIME])
    for language in corpus.languages:
        table = corpus.pairs(language, Split.TRAIN)
        for start in range(0, len(table), _SENTENCES_AT_A_TIME):
            yield table.text_list(np.arange(start, min(start + _SENTENCES_AT_A_TIME, len(table))))
