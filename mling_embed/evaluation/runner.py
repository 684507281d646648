"""The runner: encode every text once, then score each task."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mling_embed import __version__
from mling_embed.encoders.contract import Encoder
from mling_embed.evaluation.judged_encoder import judged_encoder
from mling_embed.evaluation.reporting.exhibits_of import sentence_map
from mling_embed.evaluation.reporting.report import Report
from mling_embed.evaluation.reporting.storage import storage_table
from mling_embed.evaluation.suites import DEFAULT_SUITE
from mling_embed.evaluation.suites.groups import load_tasks
from mling_embed.evaluation.tasks.contract import Scores, Task, TaskResult, data_sha256
from mling_embed.evaluation.vectors import Vectors
from mling_embed.progress import Progress, silent

logger = logging.getLogger(__name__)


def evaluate(
    model: str | Path | Any,
    tasks: str | Task | Iterable[str | Task] = DEFAULT_SUITE,
    *,
    languages: Iterable[str] | None = None,
    limit: int | None = None,
    teacher: str | Path | Any | None = None,
    device: str | None = None,
    keep: Path | None = None,
    name: str | None = None,
    progress: Progress = silent,
) -> Report:
    """Measure an encoder on tasks: translation accuracy, similarity, search, by language.

    Each distinct text is encoded once, by the teacher only if it is English.

    Args:
        model: A folder, a name of the hub, ``module:function``, the address of a server of OpenAI's protocol with ``#``
            and a model's name, a loaded model, or anything whose ``encode(texts)`` gives an array.
        tasks: Names of suites (`mling_embed.evaluation.suites.suites`) or groups of them (``quick``, ``standard``,
            ``all``), or tasks of one's own.
        languages: Of the suites named, keep the tasks of these alone.
        limit: At most so many texts of each kind and language in a task, evenly spread (`Task.capped`); by default all,
            or what a group says.
        teacher: The English encoder that the figures stand beside: its own English similarity and retrieval, and
            retrieval in its space, with English encoded by the teacher and the rest by the model.
        device: Where what is loaded here computes; by default the best that there is.
        keep: Folder of vectors that are kept for other evaluations (`mling_embed.evaluation.kept_vectors`); none is
            kept by default.
        name: What the report calls the model; by default its folder or name.
        progress: Told the texts encoded and the tasks scored.

    Returns:
        The report: ``print`` it, or take its `results`, one for each task.

    Raises:
        UsageError: There is no such suite, or the vectors of an encoder cannot be used.
        DataError: The model or the data cannot be had.
    """
    began = time.perf_counter()
    chosen = _chosen(tasks, None if languages is None else list(languages), limit)
    encoder = judged_encoder(model, device=device)
    vectors = Vectors(encoder, (part for task in chosen for part in task.texts()), keep=keep, progress=progress)
    taught = None
    if teacher is not None:
        taught = _taught(judged_encoder(teacher, device=device), chosen, vectors.dim, keep=keep, progress=progress)
    seconds_per_text = (time.perf_counter() - began) / max(1, sum(map(_size, chosen)))
    beside = {} if taught is None else _teacher_figures(chosen, taught)
    results = []
    for done, task in enumerate(chosen, 1):
        start = time.perf_counter()
        scores = _with_teacher(task.score(vectors, _space(taught, task, vectors.dim)), task, beside)
        seconds = time.perf_counter() - start + seconds_per_text * _size(task)
        results.append(TaskResult(task.label, task.type, scores, signature(task, encoder), seconds))
        progress("scoring", done, len(chosen))
    teacher_name = "" if teacher is None else _name(teacher)
    seconds = time.perf_counter() - began
    return Report(
        tuple(results),
        name or _name(model),
        teacher_name,
        seconds,
        vectors.encoded,
        sentence_map=sentence_map(chosen, vectors),
        storage=storage_table(chosen, vectors),
    )


def signature(task: Task, encoder: Encoder) -> str:
    """Return one line of all that a task's figures depend on: task, SHA-256 of its data, model, version, settings."""
    label = task.label
    parts = {
        "task": f"{label.suite}/{label.name}/{label.split}",
        "data": data_sha256(task),
        "model": encoder.fingerprint,
        "version": __version__,
        "metric": task.type.main,
        "precision": encoder.precision,
    }
    named = "|".join(f"{key}:{value}" for key, value in parts.items())
    return "|".join([named, *task.type.settings.split()])


def _chosen(tasks: str | Task | Iterable[str | Task], languages: Sequence[str] | None, limit: int | None) -> list[Task]:
    if isinstance(tasks, str | Task):
        tasks = [tasks]
    chosen: list[Task] = []
    for each in tasks:
        if isinstance(each, str):
            chosen += load_tasks(each, languages=languages, limit=limit)
        else:
            chosen.append(each if limit is None else each.capped(limit))
    return chosen


def _taught(teacher: Encoder, tasks: Sequence[Task], dim: int, *, keep: Path | None, progress: Progress) -> Vectors:
    """Return the teacher's vectors; warn if they are of another width than the student's."""
    english = (part for task in tasks for part in task.teacher_texts())
    taught = Vectors(teacher, english, keep=keep, work="encoding with the teacher", progress=progress)
    if len(taught) and taught.dim != dim:
        logger.warning(
            "teacher and student have %d and %d dimensions: nothing is searched in the teacher's space.",
            taught.dim,
            dim,
        )
    return taught


def _space(taught: Vectors | None, task: Task, dim: int) -> Vectors | None:
    """Return the teacher's vectors if the student's can be searched among them and the task asks for some."""
    if taught is None or taught.dim != dim or not any(part for _, part in task.teacher_texts()):
        return None
    return taught


def _teacher_figures(tasks: Sequence[Task], taught: Vectors) -> dict[tuple[str, str], float | None]:
    """Return the teacher's own main figure on the English task of each suite and type that has one."""
    return {
        (task.label.suite, task.type.kind): task.score(taught).figures[task.type.main]
        for task in tasks
        if task.type.teacher_figure and task.label.is_english
    }


def _with_teacher(scores: Scores, task: Task, beside: dict[tuple[str, str], float | None]) -> Scores:
    """Put the teacher's figure beside a task's own."""
    if not task.type.teacher_figure:
        return scores
    figure = beside.get((task.label.suite, task.type.kind))
    figures = {**scores.figures, task.type.teacher_figure: figure}
    if task.type.kept_figure:
        own = figures.get(task.type.kept_figure)
        figures["kept"] = own / figure if own is not None and figure else None
    return replace(scores, figures=figures)


def _size(task: Task) -> int:
    return sum(len(part) for _, part in task.texts())


def _name(model: str | Path | Any) -> str:
    return str(model) if isinstance(model, str | Path) else type(model).__name__
