"""Quality estimation: do cosines of sources and machine translations rank them as people do (MLQE-PE, 7 pairs)?"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from mling_embed.corpora.manifests import SplitFile, load_manifest
from mling_embed.evaluation.suites.manifest_files import files_by_language, read_parts, revision_of
from mling_embed.evaluation.tasks.contract import TaskLabel
from mling_embed.evaluation.tasks.sts import StsTask
from mling_embed.languages import ENGLISH


def tasks(languages: Collection[str] | None = None) -> Iterator[StsTask]:
    """Yield a task for each language pair: the source sentence, its translation, and the mean assessment."""
    manifest = load_manifest("mlqe-pe-da")
    for language, file in files_by_language(manifest, "test", languages).items():
        parts, pair = ("english", "other"), (ENGLISH, language)
        if not _from_english(file):
            parts, pair = parts[::-1], pair[::-1]
        label = TaskLabel("mlqe-pe", "-".join(pair), pair, "test", revision_of(manifest))
        rows = read_parts(file, (*parts, "score"))
        sources, translations, scores = ([row[place] for row in rows] for place in range(3))
        yield StsTask(label, sources, translations, [float(score) for score in scores])


def _from_english(file: SplitFile) -> bool:
    """Tell whether the English side is the source: the file's columns are source, then translation."""
    columns = {part: int(file.columns[part]) for part in ("english", "other")}
    return columns["english"] < columns["other"]
