"""Sentences of FLORES-200 that translate each other, as far as SIB-200 holds them: 1,004 in each of 18 languages."""

from __future__ import annotations

from collections.abc import Collection

from mling_embed.corpora.manifests import load_manifest
from mling_embed.errors import DamagedFileError
from mling_embed.evaluation.suites.manifest_files import files_by_language, read_parts, revision_of
from mling_embed.evaluation.tasks.contract import TaskLabel
from mling_embed.languages import ENGLISH

_MANIFEST, _SPLITS = "sib-200", ("test", "dev", "train")


def flores_sentences(languages: Collection[str] | None = None) -> dict[str, list[str]]:
    """Return the sentences of each wanted language, English first; row n of all translates row n of any.

    Raises:
        DamagedFileError: The labels of two languages differ, so that their rows do not correspond.
    """
    manifest = load_manifest(_MANIFEST)
    texts: dict[str, list[str]] = {}
    labels: dict[str, list[str]] = {}
    for split in _SPLITS:
        for language, file in files_by_language(manifest, split, languages).items():
            rows = read_parts(file, ("text", "label"))
            texts.setdefault(language, []).extend(text for text, _ in rows)
            labels.setdefault(language, []).extend(label for _, label in rows)
    for language, found in labels.items():
        if found != labels[ENGLISH]:
            raise DamagedFileError(f"the rows of {language} do not correspond to the English ones.", where=_MANIFEST)
    return texts


def flores_label(suite: str, language: str) -> TaskLabel:
    """Name a task of a language beside English."""
    return TaskLabel(
        suite, f"{language}-{ENGLISH}", (language, ENGLISH), revision=revision_of(load_manifest(_MANIFEST))
    )
