"""The STS benchmark's test pairs in English and its translations, and English beside each language."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from mling_embed.corpora.fetching import resolve
from mling_embed.corpora.manifests import Role, SplitFile, load_manifest, manifest_names
from mling_embed.errors import DataError
from mling_embed.evaluation.suites import is_wanted
from mling_embed.evaluation.suites.manifest_files import revision_of
from mling_embed.evaluation.suites.table_rows import read_table
from mling_embed.evaluation.suites.user_files import sts_task
from mling_embed.evaluation.tasks.contract import TaskLabel
from mling_embed.evaluation.tasks.sts import StsTask
from mling_embed.languages import ENGLISH


def tasks(languages: Collection[str] | None = None) -> Iterator[StsTask]:
    """Yield the STS benchmark's test pairs: English, each language, and English beside each language.

    The rows of all languages correspond, so that ``en-x`` takes the first sentence in English and the second in x.
    """
    within: dict[str, StsTask] = {}
    suite = "stsb-multi-mt"
    for name in (suite, "korsts"):
        if name != suite and name not in manifest_names():
            continue
        manifest = load_manifest(name)
        for file in manifest.files(Role.TEST):
            if file.language is None or not is_wanted(file.language, languages):
                continue
            within[file.language] = _sts_of(
                file, TaskLabel(suite, "", (file.language,) * 2, "test", revision_of(manifest))
            )
    english = within.pop(ENGLISH)
    yield english
    for language, task in sorted(within.items()):
        yield task
        if len(task.scores) != len(english.scores):
            raise DataError(f"{len(task.scores)} rows, English has {len(english.scores)}.", where=str(task.label))
        label = TaskLabel(suite, f"{ENGLISH}-{language}", (ENGLISH, language), "test", task.label.revision)
        yield StsTask(label, english.sentences1, task.sentences2, english.scores)


def _sts_of(file: SplitFile, label: TaskLabel) -> StsTask:
    """Read an STS file as its manifest describes it."""
    path = resolve(file)
    rows = read_table(path, delimiter="," if file.format == "csv" else "\t")
    header = rows[0][1] if file.header else []
    if file.header:
        rows = rows[1:]
    chosen = [file.columns.get(name, place) for place, name in enumerate(("sentence1", "sentence2", "score"))]
    columns = [header.index(column) if isinstance(column, str) else column for column in chosen]
    named = TaskLabel(label.suite, "-".join(label.languages), label.languages, label.split, label.revision)
    return sts_task(named, rows, columns, where=path)
