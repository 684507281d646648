"""What a student reads while it learns a language: all pairs of that, and some of those that it knows."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from mling_embed.corpora.parallel import ParallelCorpus, Split
from mling_embed.errors import DataError
from mling_embed.progress import Progress, silent
from mling_embed.tokenizers.token_bags import TokenBags
from mling_embed.tokenizers.tokenizer_json import plain_tokenizer
from mling_embed.training.training_set import ENGLISH_NUMBER, TrainingSet

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)

_WORK = "tokenizing"


def replayed_pairs(
    corpus: ParallelCorpus, new_languages: Sequence[str], *, ratio: float = 1.0, seed: int = 0
) -> dict[str, Int[ndarray, " _"]]:
    """Choose training pairs: all of the new languages, and some of each old one, so that it is not forgotten.

    Args:
        corpus: Parallel text of new and old languages.
        new_languages: All others are old.
        ratio: Pairs of all old languages together, over pairs of the new ones. They are spread evenly; a language with
            less than its part gives all that it has, and the others more.
        seed: Of the pairs drawn.

    Returns:
        Rows of each language's training pairs, for those that have any.

    Raises:
        DataError: A new language has no training pairs.
    """
    sizes = {language: len(corpus.pairs(language, Split.TRAIN)) for language in corpus.languages}
    empty = [language for language in new_languages if not sizes[language]]
    if empty:
        raise DataError(f"no training pairs of {', '.join(empty)}.", where=corpus.path)
    left = round(ratio * sum(sizes[language] for language in new_languages))
    old = sorted(sizes.keys() - set(new_languages), key=lambda language: (sizes[language], language))
    wanted = {language: sizes[language] for language in new_languages}
    for place, language in enumerate(old):
        wanted[language] = min(sizes[language], left // (len(old) - place))
        left -= wanted[language]
    if not any(wanted[language] for language in old):
        logger.warning(
            "no pairs of an old language are replayed, so that nothing but English, whose sentences are read again, "
            "guards the student against forgetting; give pairs of its old languages too"
        )
    chance = np.random.default_rng(seed)
    return {
        language: np.sort(chance.permutation(sizes[language])[: wanted[language]])
        for language in corpus.languages
        if wanted[language]
    }


def replay_set(
    corpus: ParallelCorpus,
    chosen: Mapping[str, Int[ndarray, " _"]],
    student: SentenceTransformer,
    *,
    progress: Progress = silent,
) -> TrainingSet:
    """Tokenize chosen training pairs: their English rows once, then their translations, language by language."""
    tables = {language: corpus.pairs(language, Split.TRAIN) for language in chosen}
    translated = [tables[language].english_rows[rows] for language, rows in chosen.items()]
    english = np.unique(np.concatenate(translated))
    tokenizer, total = plain_tokenizer(student), len(english) + sum(map(len, translated))
    bags = [TokenBags.of(tokenizer, [corpus.english_texts(english)])]
    for language, rows in chosen.items():
        progress(_WORK, sum(map(len, bags)), total)
        bags.append(TokenBags.of(tokenizer, [tables[language].text_list(rows)]))
    progress(_WORK, total, total)
    numbers = np.repeat(np.arange(len(bags)) + ENGLISH_NUMBER, [len(part) for part in bags])
    return TrainingSet(TokenBags.joined(bags), np.concatenate([english, *translated]), numbers)
