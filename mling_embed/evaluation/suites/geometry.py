"""Geometry of a language's vectors beside those of its English, on FLORES sentences in 17 languages."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from mling_embed.evaluation.suites.flores_sentences import flores_label, flores_sentences
from mling_embed.evaluation.tasks.geometry import GeometryTask
from mling_embed.languages import ENGLISH


def tasks(languages: Collection[str] | None = None) -> Iterator[GeometryTask]:
    """Yield a task for each language beside English."""
    texts = flores_sentences(languages)
    english = texts.pop(ENGLISH)
    for language, sentences in texts.items():
        yield GeometryTask(flores_label("geometry", language), sentences, english)
