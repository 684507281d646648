"""Sentiment of short texts in 12 languages: learned from English, tested in each, beside its own training."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from mling_embed.evaluation.suites.labelled_texts import classification_tasks
from mling_embed.evaluation.tasks.classification import ClassificationTask


def tasks(languages: Collection[str] | None = None) -> Iterator[ClassificationTask]:
    """Yield a task for each language; Chinese and Japanese have no training texts of their own."""
    return classification_tasks("sentiment", languages)
