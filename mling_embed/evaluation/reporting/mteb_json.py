"""Results on disk in the shape that MTEB writes: one JSON file for each suite."""

from __future__ import annotations

import importlib.metadata
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import langcodes

from mling_embed.evaluation.tasks.contract import TaskResult
from mling_embed.files import write_json
from mling_embed.languages import UNKNOWN_LANGUAGE, script_of


def mteb_results(results: Sequence[TaskResult]) -> list[dict[str, Any]]:
    """Return a record in MTEB's shape for each suite and kind of task.

    The main score of a bitext task is its weighted F1 from source to target, as MTEB has it; accuracies, intervals
    and the teacher's figures stand beside it. ``mteb_version`` is `None` where MTEB is not installed.
    """
    suites: dict[tuple[str, str], list[TaskResult]] = {}
    for result in results:
        suites.setdefault((result.label.suite, result.type.kind), []).append(result)
    records = []
    for (suite, _), members in suites.items():
        scores: dict[str, list[dict[str, Any]]] = {}
        for result in members:
            scores.setdefault(result.label.split, []).append(_subset(result))
        records.append(
            {
                "dataset_revision": members[0].label.revision or None,
                "task_name": suite,
                "mteb_version": _mteb_version(),
                "evaluation_time": round(math.fsum(result.seconds for result in members), 3),
                "scores": scores,
            }
        )
    return records


def write_mteb_files(results: Sequence[TaskResult], folder: Path) -> list[Path]:
    """Write ``<suite>.json`` for each suite into a folder, and return the files."""
    paths = []
    for record in mteb_results(results):
        path = folder / f"{re.sub(r'[^A-Za-z0-9._-]+', '-', record['task_name'])}.json"
        write_json(path, record)
        paths.append(path)
    return paths


def _subset(result: TaskResult) -> dict[str, Any]:
    names = result.type.mteb_names
    figures = {names.get(name, name): value for name, value in result.figures.items() if value is not None}
    if result.interval is not None:
        figures |= {"low": result.interval.low, "high": result.interval.high}
    main = result.type.mteb_main or result.type.main
    return {
        "hf_subset": result.label.name,
        "languages": [mteb_language(language) for language in result.label.languages],
        "main_score": figures[names.get(main, main)],
        "n": result.n,
        **figures,
    }


def mteb_language(language: str) -> str:
    """Return ``deu-Latn`` of ``de``."""
    if language == UNKNOWN_LANGUAGE:
        return language
    return f"{langcodes.Language.get(language).to_alpha3()}-{script_of(language)}"


def _mteb_version() -> str | None:
    try:
        return importlib.metadata.version("mteb")
    except importlib.metadata.PackageNotFoundError:
        return None
