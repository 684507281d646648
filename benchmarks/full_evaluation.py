"""Measure an encoder on every suite that the pool's benchmarks share: Tatoeba, the STS benchmark, a dev split."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from measure import CHOSEN, say
from numpy import ndarray

from mling_embed.corpora.parallel import ParallelCorpus, Split
from mling_embed.encoders.contract import Encoder
from mling_embed.evaluation.runner import evaluate
from mling_embed.evaluation.suites.dev import DEV_LIMIT, dev_tasks
from mling_embed.evaluation.suites.stsb import tasks as stsb_tasks
from mling_embed.evaluation.suites.tatoeba import tasks as tatoeba_tasks
from mling_embed.evaluation.tasks.bitext import BITEXT, BitextTask
from mling_embed.evaluation.tasks.contract import TaskLabel, TaskResult
from mling_embed.evaluation.tasks.sts import STS
from mling_embed.languages import ENGLISH
from mling_embed.training.targets import TargetStore

LENGTHS = {"1-8 words": (1, 8), "9-20 words": (9, 20), "over 20 words": (21, 10**6)}
PAIRS_PER_LENGTH = 100  # of each language in each length, so that all search among as many


def full_evaluation(
    encoder: Encoder,
    teacher: Encoder,
    corpus: ParallelCorpus,
    *,
    index: Encoder | StoredTeacher | None = None,
    languages: Collection[str] | None = None,
    seed: int,
) -> tuple[dict[str, float], list[TaskResult]]:
    """Measure an encoder on every suite; return the figures that sum it up, and all results.

    Args:
        encoder: What is measured.
        teacher: Whose English similarity stands beside it.
        corpus: Whose dev split is searched.
        index: What encodes the English side once more, as an index of the teacher's vectors; `None` for no such figure.
        languages: Of the Tatoeba test; `None` for all.
        seed: Of the dev sentences drawn.
    """
    tatoeba = evaluate(encoder, list(tatoeba_tasks(languages)), teacher=index)
    sts = evaluate(encoder, list(stsb_tasks()), teacher=teacher)
    dev_split = [*dev_tasks(corpus), *language_tasks(corpus, seed=seed), *length_tasks(corpus, seed=seed)]
    dev = evaluate(encoder, dev_split, teacher=index)
    figures = tatoeba_figures(tatoeba.results) | sts_figures(sts.results)
    for suite in sorted({found.label.suite for found in dev}):
        figures[suite] = mean(found.score for found in dev if found.label.suite == suite)
    return figures, [*tatoeba, *sts, *dev]


class StoredTeacher:
    """Encode with a teacher, keeping every vector on disk: searching its index costs its time once."""

    def __init__(self, teacher: Encoder) -> None:
        self._store = TargetStore(teacher)

    def encode(self, texts: Sequence[str], /) -> ndarray:
        """Encode texts. Shape: (n, dim)."""
        return self._store.compute(texts).matrix().astype(np.float32)


def language_tasks(corpus: ParallelCorpus, *, seed: int = 0) -> Iterator[BitextTask]:
    """Yield the dev split with all sources together, a task for each language."""
    for language, rows, texts in dev_rows(corpus):
        places = _draw(np.arange(len(rows)), DEV_LIMIT, seed)
        label = TaskLabel("dev by language", f"{language}-en", (language, ENGLISH), "dev")
        yield BitextTask(label, [texts[place] for place in places], corpus.english_texts(rows[places]))


def length_tasks(corpus: ParallelCorpus, *, seed: int = 0) -> Iterator[BitextTask]:
    """Yield the dev split by the length of the English sentence, for each language with enough of each length."""
    for language, rows, texts in dev_rows(corpus):
        english = corpus.english_texts(rows)
        words = np.asarray([len(re.findall(r"\S+", text)) for text in english])
        drawn = {
            name: _draw(np.flatnonzero((words >= low) & (words <= high)), PAIRS_PER_LENGTH, seed)
            for name, (low, high) in LENGTHS.items()
        }
        if min(map(len, drawn.values())) < PAIRS_PER_LENGTH:
            continue
        for name, places in drawn.items():
            label = TaskLabel(f"dev by length: {name}", f"{language}-en", (language, ENGLISH), "dev")
            yield BitextTask(label, [texts[place] for place in places], [english[place] for place in places])


def dev_rows(corpus: ParallelCorpus) -> Iterator[tuple[str, ndarray, list[str]]]:
    """Yield each language with the English rows of its dev pairs, each row once, and their translations."""
    for language in corpus.languages:
        table = corpus.pairs(language, Split.DEV)
        places = table.first_pairs()
        if len(places):
            yield language, table.english_rows[places], table.text_list(places)


def _draw(places: ndarray, n: int, seed: int) -> ndarray:
    return places if len(places) <= n else np.sort(np.random.default_rng(seed).choice(places, n, replace=False))


def record(result: TaskResult) -> dict[str, Any]:
    """Return the figures of a result that are kept."""
    figures, (low, high) = result.figures, result.interval or (None, None)
    kept = {"suite": result.label.suite, "task": result.label.name, "n": result.n, "score": result.score}
    kept |= {"low": low, "high": high}
    for name in ("reverse_accuracy", "safe_accuracy", "f1", "xsim", "teacher_space_accuracy"):
        if figures.get(name) is not None:
            kept[name] = figures[name]
    return kept


def mean(values: Iterable[float]) -> float:
    """Return the mean of figures, not-a-number without any."""
    found = list(values)
    return float(np.mean(found)) if found else float("nan")


def _mean(results: Iterable[TaskResult], figure: str) -> float:
    return mean(value for result in results if (value := result.figures[figure]) is not None)


def tatoeba_figures(results: Sequence[TaskResult]) -> dict[str, float]:
    """Return means and the worst language of the Tatoeba test."""
    bitext = [result for result in results if result.type is BITEXT]
    chosen = [result for result in bitext if result.label.languages[0] in CHOSEN]
    worst = min(chosen, key=lambda result: result.score)
    say(f"worst of the {len(chosen)} chosen languages: {worst.label.name}")
    return {
        "tatoeba_15": mean(result.score for result in chosen),
        "tatoeba_15_reverse": _mean(chosen, "reverse_accuracy"),
        "tatoeba_15_worst": worst.score,
        "tatoeba_15_teacher_index": _mean(chosen, "teacher_space_accuracy"),
        "tatoeba_all": mean(result.score for result in bitext),
        "tatoeba_all_reverse": _mean(bitext, "reverse_accuracy"),
        "tatoeba_all_f1": _mean(bitext, "f1"),
    }


def sts_figures(results: Sequence[TaskResult]) -> dict[str, float]:
    """Return the English figure, the means within and across languages, and the teacher's English figure."""
    sts = {result.label.languages: result for result in results if result.type is STS}
    cross = [result.score for (first, second), result in sts.items() if first == ENGLISH != second]
    within = [result.score for (first, second), result in sts.items() if first == second != ENGLISH]
    english = sts[ENGLISH, ENGLISH]
    return {
        "sts_en": english.score,
        "sts_en_x": mean(cross),
        "sts_en_x_worst": min(cross),
        "sts_x_x": mean(within),
        "sts_x_x_worst": min(within),
        "sts_teacher_en": _mean([english], "teacher_english_spearman"),
    }
