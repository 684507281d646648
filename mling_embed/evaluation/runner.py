"""The runner: encode every distinct text once, then score each task."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from mling_embed.errors import UsageError
from mling_embed.evaluation.tasks.results import BitextResult, RetrievalResult, StsResult, TaskResult
from mling_embed.evaluation.tasks.tasks import BitextTask, RetrievalTask, StsTask, Task
from mling_embed.metrics.bitext import BitextScores, bitext_scores
from mling_embed.metrics.confidence import spearman_interval
from mling_embed.metrics.retrieval import mrr, ndcg, recall
from mling_embed.metrics.sts import pair_cosines, spearman
from mling_embed.metrics.xsim import xsim
from mling_embed.neighbors.topk import top_k
from mling_embed.neighbors.vectors import unit_rows
from mling_embed.progress import Progress, silent

logger = logging.getLogger(__name__)

ENCODE_CHUNK = 8192
RETRIEVAL_DEPTH = 100


@runtime_checkable
class Encoder(Protocol):
    """Turn texts into vectors, as a `SentenceTransformer` does."""

    def encode(self, sentences: Any, /) -> Any:
        """Return an array of one vector for each text. Shape: (n, dim)."""


class Vectors:
    """Hold the vector of each distinct text of one encoder: encoded once, looked up by text.

    Memory is 4 * n_distinct * dim bytes.

    Args:
        encoder: What encodes.
        texts: The texts, in any order and number.
        work: What progress is called.
        progress: Told the texts encoded so far.

    Raises:
        UsageError: The encoder gives an array of another shape, or vectors that are not finite.
    """

    def __init__(
        self, encoder: Encoder, texts: Iterable[str], *, work: str = "encoding", progress: Progress = silent
    ) -> None:
        self._places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
        distinct = list(self._places)
        parts = []
        for start in range(0, len(distinct), ENCODE_CHUNK):
            chunk = distinct[start : start + ENCODE_CHUNK]
            rows = np.asarray(encoder.encode(chunk), dtype=np.float32)
            if rows.ndim != 2 or len(rows) != len(chunk):
                raise UsageError(f"the encoder gave an array of shape {rows.shape} for {len(chunk)} texts.")
            if not np.isfinite(rows).all():
                bad = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
                raise UsageError(f"the encoder gave a vector that is not finite for {chunk[bad][:80]!r}.")
            parts.append(rows)
            progress(work, start + len(chunk), len(distinct))
        self._rows = np.concatenate(parts) if parts else np.empty((0, 0), dtype=np.float32)

    @property
    def dim(self) -> int:
        """The width of the vectors."""
        return int(self._rows.shape[1])

    def of(self, texts: Sequence[str]) -> Float32[ndarray, "n dim"]:
        """Return the vectors of texts, in their order. Shape: (n, dim)."""
        rows: Float32[ndarray, "n dim"] = self._rows[[self._places[text] for text in texts]]
        return rows

    def __len__(self) -> int:
        return len(self._places)


def evaluate(
    encoder: Encoder, tasks: Sequence[Task], *, teacher: Encoder | None = None, progress: Progress = silent
) -> list[TaskResult]:
    """Score an encoder on tasks; each distinct text is encoded once, by the teacher only if it is English.

    Args:
        encoder: What is measured.
        tasks: What it is measured on.
        teacher: The English encoder that its figures stand beside: its own English similarity and retrieval, and
            retrieval in its space, with English encoded by the teacher and the rest by `encoder`.
        progress: Told the texts encoded and the tasks scored.

    Returns:
        One result for each task, in their order.

    Raises:
        UsageError: An encoder's vectors cannot be used.
    """
    began = time.perf_counter()
    vectors = Vectors(encoder, (text for task in tasks for text in task.texts()), progress=progress)
    taught = None
    if teacher is not None:
        english = (text for task in tasks for text in task.english_texts())
        taught = Vectors(teacher, english, work="encoding with the teacher", progress=progress)
        if len(taught) and taught.dim != vectors.dim:
            logger.warning(
                "teacher and student have %d and %d dimensions: nothing is searched in the teacher's space.",
                taught.dim,
                vectors.dim,
            )
    n_texts = max(1, sum(_size(task) for task in tasks))
    second_per_text = (time.perf_counter() - began) / n_texts
    results: list[TaskResult] = []
    english_figures = _teacher_english(tasks, taught)
    for done, task in enumerate(tasks, 1):
        began = time.perf_counter()
        result = _scored(task, vectors, taught, english_figures.get(task.label.suite))
        seconds = time.perf_counter() - began + second_per_text * _size(task)
        results.append(replace(result, seconds=seconds))
        progress("scoring", done, len(tasks))
    return results


def _size(task: Task) -> int:
    return sum(1 for _ in task.texts())


def _scored(task: Task, vectors: Vectors, taught: Vectors | None, teacher_english: float | None) -> TaskResult:
    """Score one task; the seconds are filled in by the caller."""
    usable = taught if taught is not None and taught.dim == vectors.dim and task.english_texts() else None
    if isinstance(task, BitextTask):
        return _bitext(task, vectors, usable)
    if isinstance(task, StsTask):
        return _sts(task, vectors, teacher_english)
    return _retrieval(task, vectors, usable, teacher_english)


def _bitext(task: BitextTask, vectors: Vectors, taught: Vectors | None) -> BitextResult:
    source, target = vectors.of(task.source_texts), vectors.of(task.target_texts)

    def scores(targets: ndarray) -> BitextScores:
        return bitext_scores(source, targets, source_texts=task.source_texts, target_texts=task.target_texts)

    return BitextResult(
        label=task.label,
        n=len(source),
        scores=scores(target),
        xsim=xsim(source, target, target_texts=task.target_texts),
        teacher_space=scores(taught.of(task.target_texts)) if taught is not None else None,
        seconds=0.0,
    )


def _sts(task: StsTask, vectors: Vectors, teacher_english: float | None) -> StsResult:
    gold = np.asarray(task.scores, dtype=np.float64)
    cosines = pair_cosines(vectors.of(task.sentences1), vectors.of(task.sentences2))
    correlation = _correlation(task, cosines, gold)
    return StsResult(
        label=task.label,
        n=len(gold),
        spearman=correlation,
        interval=spearman_interval(cosines, gold),
        teacher_english=teacher_english,
        seconds=0.0,
    )


def _correlation(task: StsTask, cosines: ndarray, gold: ndarray) -> float:
    try:
        return spearman(cosines, gold)
    except UsageError as error:
        raise UsageError(
            f"the encoder gives every pair the same similarity ({error.what})",
            where=str(task.label),
            next_step="It has collapsed: look at its training.",
        ) from error


def _run(queries: ndarray, passages: ndarray, task: RetrievalTask) -> Mapping[str, Sequence[str]]:
    names = list(task.passages)
    found = top_k(unit_rows(queries), unit_rows(passages), RETRIEVAL_DEPTH)
    return {
        query: [names[place] for place in row] for query, row in zip(task.queries, found.indices.tolist(), strict=True)
    }


def _retrieval(
    task: RetrievalTask, vectors: Vectors, taught: Vectors | None, teacher_english: float | None
) -> RetrievalResult:
    queries, passages = list(task.queries.values()), list(task.passages.values())
    run = _run(vectors.of(queries), vectors.of(passages), task)
    space = _run(vectors.of(queries), taught.of(passages), task) if taught is not None else None
    return RetrievalResult(
        label=task.label,
        n=len(queries),
        ndcg_at_10=ndcg(run, task.qrels),
        mrr=mrr(run, task.qrels),
        recall_at_1=recall(run, task.qrels, k=1),
        recall_at_10=recall(run, task.qrels),
        teacher_space_ndcg_at_10=ndcg(space, task.qrels) if space is not None else None,
        teacher_english_ndcg_at_10=teacher_english,
        seconds=0.0,
    )


def _teacher_english(tasks: Sequence[Task], taught: Vectors | None) -> dict[str, float]:
    """Return the teacher's own figure on the English task of each suite that has one."""
    figures: dict[str, float] = {}
    for task in tasks if taught is not None else ():
        if taught is None or set(task.label.languages) != {"en"}:
            continue
        if isinstance(task, StsTask):
            cosines = pair_cosines(taught.of(task.sentences1), taught.of(task.sentences2))
            figures[task.label.suite] = _correlation(task, cosines, np.asarray(task.scores, dtype=np.float64))
        elif isinstance(task, RetrievalTask):
            run = _run(taught.of(list(task.queries.values())), taught.of(list(task.passages.values())), task)
            figures[task.label.suite] = ndcg(run, task.qrels)
    return figures
