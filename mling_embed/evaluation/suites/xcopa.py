"""XCOPA: which of two alternatives is a premise's cause or effect, in 11 languages (English is not among them)."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from mling_embed.corpora.manifests import load_manifest
from mling_embed.errors import DamagedFileError
from mling_embed.evaluation.suites.manifest_files import files_by_language, read_parts, revision_of
from mling_embed.evaluation.tasks.contract import TaskLabel
from mling_embed.evaluation.tasks.plausibility import PlausibilityTask


def tasks(languages: Collection[str] | None = None) -> Iterator[PlausibilityTask]:
    """Yield a task for each language, premise and alternatives all in it."""
    manifest = load_manifest("xcopa")
    for language, file in files_by_language(manifest, "test", languages).items():
        label = TaskLabel(manifest.name, f"{language}-{language}", (language,) * 2, "test", revision_of(manifest))
        rows = read_parts(file, ("premise", "choice1", "choice2", "label"))
        premises, first, second, choices = ([row[place] for row in rows] for place in range(4))
        if bad := [choice for choice in choices if choice not in ("0", "1")]:
            raise DamagedFileError(f"the label {bad[0]}; expected 0 or 1.", where=str(label))
        yield PlausibilityTask(label, premises, first, second, [int(choice) for choice in choices])
