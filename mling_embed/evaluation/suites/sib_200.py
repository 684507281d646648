"""SIB-200: topics of the same sentences in 18 languages: learned from English, tested in each."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from mling_embed.evaluation.suites.labelled_texts import classification_tasks
from mling_embed.evaluation.tasks.classification import ClassificationTask


def tasks(languages: Collection[str] | None = None) -> Iterator[ClassificationTask]:
    """Yield a task for each language."""
    return classification_tasks("sib-200", languages)
