"""Summarize a text by its own sentences: the most central ones that do not repeat each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mling_embed.corpora.sentence_splitting import split_sentences
from mling_embed.encoders.loading import as_encoder
from mling_embed.errors import DataError, UsageError
from mling_embed.languages import UNKNOWN_LANGUAGE
from mling_embed.summarization.centrality import lexrank
from mling_embed.summarization.selection import REDUNDANCY, choose

DEFAULT_SIZE = 3


@dataclass(frozen=True, slots=True)
class SummarySentence:
    """Hold a sentence of a summary.

    Attributes:
        text: The sentence.
        place: Its number in the text, from 0.
        rank: The order of its choice, from 1.
        centrality: Its LexRank; all sentences of the text sum to 1.
    """

    text: str
    place: int
    rank: int
    centrality: float


@dataclass(frozen=True, slots=True)
class Summary:
    """Hold the chosen sentences in the order of the text, and how many there were; ``str(summary)`` is the text."""

    sentences: tuple[SummarySentence, ...]
    n_sentences: int

    def __str__(self) -> str:
        return "\n".join(sentence.text for sentence in self.sentences)


def summarize(
    text: str | Sequence[str],
    model: str | Path | Any,
    *,
    size: int | None = None,
    share: float | None = None,
    redundancy: float = REDUNDANCY,
    language: str = UNKNOWN_LANGUAGE,
) -> Summary:
    """Choose the sentences that say most of a text.

    A sentence's centrality is its LexRank among all; sentences are taken by maximal marginal relevance.

    Args:
        text: A text, which is split into sentences, or its sentences.
        model: A folder, a name of the hub, a loaded model, or anything whose ``encode(texts)`` gives an array.
        size: Sentences to choose; 3 by default, all where there are fewer.
        share: Sentences to choose, as a share of all, rounded up; instead of `size`.
        redundancy: The weight of not repeating what is chosen already, from 0 to 1.
        language: Of the text, for its sentence ends.

    Raises:
        UsageError: `size` and `share` are both given, or out of range.
        DataError: The text holds no sentence.
    """
    if size is not None and share is not None:
        raise UsageError("size and share are both given.", next_step="Give one of them.")
    if share is not None and not 0 < share <= 1:
        raise UsageError(f"a share of {share}: expected more than 0, and 1 at most.")
    sentences = (
        [" ".join(piece.text.split()) for piece in split_sentences(text, language)]
        if isinstance(text, str)
        else [stripped for each in text if (stripped := each.strip())]
    )
    if not sentences:
        raise DataError("the text holds no sentence.")
    wanted = math.ceil(share * len(sentences)) if share is not None else DEFAULT_SIZE if size is None else size
    vectors = as_encoder(model).encode(sentences)
    centrality = lexrank(vectors)
    chosen = choose(vectors, centrality, wanted, redundancy=redundancy)
    found = [
        SummarySentence(sentences[place], place, rank, float(centrality[place])) for rank, place in enumerate(chosen, 1)
    ]
    return Summary(tuple(sorted(found, key=lambda sentence: sentence.place)), len(sentences))
