"""Mining in BUCC's form: FLORES sentences in 17 languages and English, of which a third of each side corresponds."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from mling_embed.evaluation.suites.flores_sentences import flores_label, flores_sentences
from mling_embed.evaluation.tasks.mining import MiningTask
from mling_embed.languages import ENGLISH


def tasks(languages: Collection[str] | None = None) -> Iterator[MiningTask]:
    """Yield a task for each language beside English: of three sentences one stands here, one there, one on both."""
    texts = flores_sentences(languages)
    english = texts.pop(ENGLISH)
    here = [row for row in range(len(english)) if row % 3 != 2]
    there = [row for row in range(len(english)) if row % 3 != 1]
    places = {row: place for place, row in enumerate(there)}
    gold = [(place, places[row]) for place, row in enumerate(here) if row in places]
    for language, sentences in texts.items():
        sources = [sentences[row] for row in here]
        yield MiningTask(flores_label("mining", language), sources, [english[row] for row in there], gold)
