"""The dev split of a corpus: what a student is measured on that has just been trained."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

import numpy as np

from mling_embed.errors import DataError, UsageError
from mling_embed.evaluation.suites import is_wanted, not_among
from mling_embed.evaluation.tasks.bitext import BitextTask
from mling_embed.evaluation.tasks.contract import TaskLabel
from mling_embed.languages import ENGLISH, language_tag

if TYPE_CHECKING:
    from mling_embed.corpora.parallel import ParallelCorpus

logger = logging.getLogger(__name__)

DEV_LIMIT = 1000


def load_dev(corpus: ParallelCorpus, *, languages: Collection[str] | None = None) -> list[BitextTask]:
    """Return the tasks of a corpus's dev split.

    Raises:
        UsageError: The corpus has not one of the languages.
        DataError: The split holds no pairs.
    """
    wanted = None if languages is None else [language_tag(language) for language in languages]
    if missing := not_among(wanted, corpus.languages):
        there = ", ".join(corpus.languages)
        raise UsageError(f"no {', '.join(missing)} in it; there are {there}.", where=corpus.path)
    measured = list(dev_tasks(corpus, languages=wanted))
    if not measured:
        raise DataError(
            "its dev split holds no pairs: there is nothing to measure.",
            where=corpus.path,
            next_step="Build it with a larger --dev-fraction.",
        )
    return measured


def dev_tasks(
    corpus: ParallelCorpus, *, languages: Collection[str] | None = None, limit: int = DEV_LIMIT, seed: int = 0
) -> Iterator[BitextTask]:
    """Yield the dev split of a corpus: a task for each language and source, of at most `limit` pairs.

    An English sentence occurs once in a task: the first of its translations stands for it. Of a corpus without pairs,
    the task is to find the English sentences themselves, which says something in the teacher's index alone.
    """
    from mling_embed.corpora.parallel import Split

    rows = corpus.english_rows(Split.DEV)
    if not corpus.n_pairs and len(rows) and is_wanted(ENGLISH, languages):
        texts = corpus.english_texts(np.sort(np.random.default_rng(seed).permutation(rows)[:limit]))
        label = TaskLabel("dev", f"{ENGLISH}-{ENGLISH}", (ENGLISH, ENGLISH), "dev", corpus.fingerprint)
        yield BitextTask(label, texts, texts)

    for language in corpus.languages:
        if not is_wanted(language, languages):
            continue
        table = corpus.pairs(language, Split.DEV)
        present = np.unique(table.source_codes).tolist()
        if not present:
            logger.warning("%s: no pair in the dev split of %s; it is not measured.", language, corpus.path)
        for source in dict.fromkeys(table.source_names[code] for code in present):
            # Inputs of one name are one source.
            codes = [code for code in present if table.source_names[code] == source]
            places = np.sort(table.first_pairs(np.flatnonzero(np.isin(table.source_codes, codes))))
            if len(places) > limit:
                digest = hashlib.blake2b(f"{seed} {language} {source}".encode(), digest_size=8).digest()
                rng = np.random.default_rng(int.from_bytes(digest))
                places = np.sort(rng.choice(places, limit, replace=False))
            label = TaskLabel(f"dev/{source}", f"{language}-{ENGLISH}", (language, ENGLISH), "dev", corpus.fingerprint)
            yield BitextTask(label, table.text_list(places), corpus.english_texts(table.english_rows[places]))
