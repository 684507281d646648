"""XQuAD-R (LAReQA): questions in 11 languages, searched among the answer sentences of all 11 in one pool."""

from __future__ import annotations

import bisect
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from mling_embed.corpora.fetching import resolve
from mling_embed.corpora.manifests import MULTILINGUAL, Role, load_manifest
from mling_embed.errors import DamagedFileError
from mling_embed.evaluation.suites import is_wanted
from mling_embed.evaluation.suites.manifest_files import revision_of
from mling_embed.evaluation.tasks.contract import TaskLabel
from mling_embed.evaluation.tasks.pooled_retrieval import PooledRetrievalTask
from mling_embed.files import read_json


def tasks(languages: Collection[str] | None = None) -> Iterator[PooledRetrievalTask]:
    """Yield a task for each language of the questions; the pool holds the sentences of all wanted languages."""
    manifest = load_manifest("xquad-r")
    passages: dict[str, str] = {}
    passage_languages: dict[str, str] = {}
    questions: dict[str, dict[str, str]] = {}
    right: dict[str, list[str]] = {}
    for file in manifest.files(Role.TEST):
        if file.language is None or not is_wanted(file.language, languages):
            continue
        asked = questions.setdefault(file.language, {})
        for number, paragraph in enumerate(_paragraphs(resolve(file))):
            names = [f"{file.language}-{number}-{place}" for place in range(len(paragraph["sentences"]))]
            passages |= dict(zip(names, (text.strip() for text in paragraph["sentences"]), strict=True))
            passage_languages |= dict.fromkeys(names, file.language)
            starts = [start for start, _ in paragraph["sentence_breaks"]]
            for question in paragraph["qas"]:
                asked[question["id"]] = question["question"]
                answer = bisect.bisect_right(starts, question["answers"][0]["answer_start"]) - 1
                right.setdefault(question["id"], []).append(names[max(0, answer)])
    revision = revision_of(manifest)
    for language, queries in questions.items():
        label = TaskLabel(manifest.name, f"{language}-{MULTILINGUAL}", (language, MULTILINGUAL), revision=revision)
        yield PooledRetrievalTask(label, passages, passage_languages, queries, right)


def _paragraphs(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the paragraphs of a file of SQuAD's shape with sentences."""
    try:
        for article in read_json(path)["data"]:
            yield from article["paragraphs"]
    except (KeyError, TypeError) as error:
        raise DamagedFileError(f"not of SQuAD's shape ({error!r}).", where=path) from error
