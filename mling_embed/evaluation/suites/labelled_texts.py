"""Classification tasks of a manifest that holds texts with labels: trained on English, tested in each language."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from mling_embed.corpora.manifests import load_manifest
from mling_embed.evaluation.suites.manifest_files import files_by_language, read_parts, revision_of
from mling_embed.evaluation.tasks.classification import ClassificationTask
from mling_embed.evaluation.tasks.contract import TaskLabel
from mling_embed.languages import ENGLISH

_PARTS = ("text", "label")


def classification_tasks(name: str, languages: Collection[str] | None = None) -> Iterator[ClassificationTask]:
    """Yield a task for each wanted language of a manifest's test split, English first, with its own training texts."""
    manifest = load_manifest(name)
    train = {
        language: _columns(read_parts(file, _PARTS))
        for language, file in files_by_language(manifest, "train", languages).items()
    }
    for language, file in files_by_language(manifest, "test", languages).items():
        label = TaskLabel(name, f"{ENGLISH}-{language}", (ENGLISH, language), "test", revision_of(manifest))
        own = train.get(language, ([], []))
        yield ClassificationTask(label, *train[ENGLISH], *_columns(read_parts(file, _PARTS)), *own)


def _columns(rows: list[tuple[str, ...]]) -> tuple[list[str], list[str]]:
    return [text for text, _ in rows], [label for _, label in rows]
