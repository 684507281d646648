"""Language bias: the STS benchmark's pairs of all languages ranked together, each row in two of the language pairs."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from mling_embed.corpora.manifests import MULTILINGUAL
from mling_embed.evaluation.suites import stsb
from mling_embed.evaluation.tasks.contract import TaskLabel
from mling_embed.evaluation.tasks.mixed_similarity import MixedSimilarityTask


def tasks(languages: Collection[str] | None = None) -> Iterator[MixedSimilarityTask]:
    """Yield one task: row i in the language pairs i and i + 1, counted round, so that all have as many rows."""
    within = list(stsb.tasks(languages))
    n, scores = len(within), within[0].scores
    drawn = [(row, within[(row + turn) % n]) for row in range(len(scores)) for turn in range(min(2, n))]
    spoken = tuple(dict.fromkeys(language for task in within for language in task.label.languages))
    label = TaskLabel("stsb-mixed", f"{MULTILINGUAL}-{MULTILINGUAL}", spoken, "test", within[0].label.revision)
    yield MixedSimilarityTask(
        label,
        [task.sentences1[row] for row, task in drawn],
        [task.sentences2[row] for row, task in drawn],
        [scores[row] for row, _ in drawn],
        [task.label.name for _, task in drawn],
    )
