"""The sentences that a closed-form head is fitted to: a few of every language, and of every source of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from mling_embed.corpora.parallel import PairTable, ParallelCorpus, Split
from mling_embed.training.settings import HEAD_PAIRS


@dataclass(frozen=True, slots=True)
class HeadSample:
    """Sentences of a head: each English one once, then its translations, language by language.

    Attributes:
        texts: English and translations.
        rows: The English row of each: its target's number. Shape: (n,).
    """

    texts: tuple[str, ...]
    rows: Int[ndarray, " n"]

    def __len__(self) -> int:
        """Return the number of sentences."""
        return len(self.texts)


def head_sample(corpus: ParallelCorpus, *, pairs: int = HEAD_PAIRS, seed: int = 0) -> HeadSample:
    """Draw the sentences of a corpus's head: pairs, or English sentences where there are no pairs.

    Args:
        corpus: Parallel text.
        pairs: To draw; English sentences of a corpus without pairs.
        seed: Of the draw.
    """
    if corpus.n_pairs:
        return sample_pairs(corpus, pairs=pairs, seed=seed)
    rows = np.sort(np.random.default_rng(seed).permutation(corpus.english_rows(Split.TRAIN))[:pairs])
    return HeadSample(tuple(corpus.english_texts(rows)), rows)


def sample_pairs(corpus: ParallelCorpus, *, pairs: int = HEAD_PAIRS, seed: int = 0) -> HeadSample:
    """Draw pairs of the training split: as many of each language, and within it of each source, as far as they go.

    Args:
        corpus: Parallel text.
        pairs: To draw, over all languages.
        seed: Of the draw.
    """
    random = np.random.default_rng(seed)
    tables = [corpus.pairs(language, Split.TRAIN) for language in corpus.languages]
    texts: list[str] = []
    rows: list[Int[ndarray, " _"]] = []
    for table, share in zip(tables, even_shares([len(table) for table in tables], pairs), strict=True):
        chosen = _of_every_source(table, share, random)
        texts.extend(table.text_list(chosen))
        rows.append(table.english_rows[chosen])
    translated = np.concatenate(rows) if rows else np.zeros(0, np.int64)
    english = np.unique(translated)
    return HeadSample((*corpus.english_texts(english), *texts), np.concatenate([english, translated]))


def english_sample(texts: Sequence[str]) -> HeadSample:
    """Return English sentences as a sample, each once; its rows number them."""
    distinct = tuple(dict.fromkeys(texts))
    return HeadSample(distinct, np.arange(len(distinct)))


def even_shares(sizes: Sequence[int], total: int) -> list[int]:
    """Return how many to take of each of several heaps: the same of all, and what small ones lack of larger ones.

    >>> even_shares([100, 3, 100], 41)
    [19, 3, 19]
    """
    shares = [0] * len(sizes)
    left = min(total, sum(sizes))
    for place, number in enumerate(sorted(range(len(sizes)), key=lambda number: sizes[number])):
        shares[number] = min(sizes[number], left // (len(sizes) - place))
        left -= shares[number]
    return shares


def _of_every_source(table: PairTable, n: int, random: np.random.Generator) -> Int[ndarray, " n"]:
    order = random.permutation(len(table))
    heaps = [order[table.source_codes[order] == source] for source in np.unique(table.source_codes)]
    shares = even_shares([len(heap) for heap in heaps], n)
    taken = [heap[:share] for heap, share in zip(heaps, shares, strict=True)]
    return np.sort(np.concatenate(taken)) if taken else np.zeros(0, np.int64)
