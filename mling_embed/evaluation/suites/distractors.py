"""Written distractors (xSIM++, CLSD): FLORES sentences in 17 languages among changed versions of their English."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from mling_embed.evaluation.suites.flores_sentences import flores_label, flores_sentences
from mling_embed.evaluation.tasks.distractors import DistractorsTask
from mling_embed.evaluation.written_distractors import written_distractors
from mling_embed.languages import ENGLISH


def tasks(languages: Collection[str] | None = None) -> Iterator[DistractorsTask]:
    """Yield a task for each language beside English."""
    texts = flores_sentences(languages)
    english = texts.pop(ENGLISH)
    changed = written_distractors(english)
    for language, sentences in texts.items():
        yield DistractorsTask(flores_label("distractors", language), sentences, english, changed)
