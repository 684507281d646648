"""LASER's Tatoeba test: up to 1,000 sentences in each of 112 languages beside English."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from mling_embed.corpora.fetching import resolve
from mling_embed.corpora.manifests import Role, SplitFile, load_manifest
from mling_embed.errors import DataError
from mling_embed.evaluation.suites import is_wanted
from mling_embed.evaluation.suites.manifest_files import revision_of
from mling_embed.evaluation.suites.user_files import aligned_lines
from mling_embed.evaluation.tasks.bitext import BitextTask
from mling_embed.evaluation.tasks.contract import TaskLabel
from mling_embed.languages import ENGLISH


def tasks(languages: Collection[str] | None = None) -> Iterator[BitextTask]:
    """Yield LASER's Tatoeba test, a task for each language beside English."""
    manifest = load_manifest("tatoeba-v1")
    groups: dict[str, dict[str, SplitFile]] = {}
    for file in manifest.files(Role.TEST):
        if file.group is not None and file.language is not None:
            groups.setdefault(file.group, {})[file.language] = file
    revision = revision_of(manifest)
    tasks_by_name: dict[str, BitextTask] = {}
    for group, files in sorted(groups.items()):
        other = next((language for language in files if language != ENGLISH), None)
        if other is None or ENGLISH not in files or not is_wanted(other, languages):
            continue
        sides = [aligned_lines(resolve(files[language])) for language in (other, ENGLISH)]
        # Two of LASER's groups are one language today (dtp, kzj): the second keeps its own name.
        name = f"{other if f'{other}-{ENGLISH}' not in tasks_by_name else group}-{ENGLISH}"
        label = TaskLabel(manifest.name, name, (other, ENGLISH), revision=revision)
        if len(sides[0]) != len(sides[1]):
            raise DataError(f"{len(sides[0])} and {len(sides[1])} lines; expected as many.", where=f"{label} ({group})")
        tasks_by_name[name] = BitextTask(label, sides[0], sides[1])
    for _, task in sorted(tasks_by_name.items()):  # the files are in the order of other codes
        yield task
