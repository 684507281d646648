"""Bilingual dictionaries of XLing-Eval: 2,000 words a language, searched both ways between English and 7 others."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from mling_embed.corpora.manifests import load_manifest
from mling_embed.evaluation.suites.manifest_files import files_by_language, read_parts, revision_of
from mling_embed.evaluation.tasks.contract import TaskLabel
from mling_embed.evaluation.tasks.dictionary import DictionaryTask
from mling_embed.languages import ENGLISH

_PARTS = ("english", "other")


def tasks(languages: Collection[str] | None = None) -> Iterator[DictionaryTask]:
    """Yield both directions of each language: test words, searched among the words of test and training entries."""
    manifest = load_manifest("xling-bli")
    train = files_by_language(manifest, "train-5k", languages)
    for language, file in files_by_language(manifest, "test", languages).items():
        test = read_parts(file, _PARTS)
        pool = [*test, *read_parts(train[language], _PARTS)]
        for source, target in ((0, 1), (1, 0)):
            entries: dict[str, dict[str, None]] = {}
            for row in test:
                entries.setdefault(row[source], {})[row[target]] = None
            pair = (ENGLISH, language) if source == 0 else (language, ENGLISH)
            label = TaskLabel(manifest.name, "-".join(pair), pair, "test", revision_of(manifest))
            words = list(dict.fromkeys(row[target] for row in pool))
            yield DictionaryTask(label, list(entries), [list(entry) for entry in entries.values()], words)
