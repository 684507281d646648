"""Summaries of translations of one text: Text+Berg (de-fr, gold alignments), and XQuAD-R's articles beside English."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence

from mling_embed.corpora.fetching import resolve
from mling_embed.corpora.manifests import Role, SplitFile, load_manifest
from mling_embed.errors import DamagedFileError
from mling_embed.evaluation.suites import is_wanted
from mling_embed.evaluation.suites.manifest_files import files_by_language, revision_of
from mling_embed.evaluation.suites.user_files import aligned_lines
from mling_embed.evaluation.suites.xquad_files import Paragraph, articles
from mling_embed.evaluation.tasks.contract import TaskLabel
from mling_embed.evaluation.tasks.summaries import SummariesTask
from mling_embed.languages import ENGLISH
from mling_embed.metrics.agreement import NO_BEAD

_BERG = ("de", "fr")
_LINK = re.compile(r"(\[[\d, ]*\]):(\[[\d, ]*\])")


def tasks(languages: Collection[str] | None = None) -> Iterator[SummariesTask]:
    """Yield Text+Berg, if both its languages are wanted, and a task for each language of XQuAD-R beside English."""
    if all(is_wanted(language, languages) for language in _BERG):
        yield _text_berg()
    manifest = load_manifest("xquad-r")
    files = files_by_language(manifest, "test", languages)
    english = list(articles(files.pop(ENGLISH)))
    for language, file in files.items():
        pairs = [_same_sentences(*pair) for pair in zip(list(articles(file)), english, strict=True)]
        sources, targets = zip(*(pair for pair in pairs if len(pair[0]) > 1), strict=True)
        beads = [list(range(len(document))) for document in sources]
        label = TaskLabel("summaries", f"{language}-{ENGLISH}", (language, ENGLISH), revision=revision_of(manifest))
        yield SummariesTask(label, list(sources), list(targets), beads, beads)


def _same_sentences(article: Sequence[Paragraph], english: Sequence[Paragraph]) -> tuple[list[str], list[str]]:
    """Return the sentences of the paragraphs that have as many in both languages: line by line they correspond."""
    same = [
        (paragraph, other)
        for paragraph, other in zip(article, english, strict=True)
        if len(paragraph.sentences) == len(other.sentences)
    ]
    return [text for one, _ in same for text in one.sentences], [text for _, one in same for text in one.sentences]


def _text_berg() -> SummariesTask:
    manifest = load_manifest("text-berg")
    groups: dict[str, dict[str, SplitFile]] = {}
    for file in manifest.files(Role.TEST):
        if file.group is not None:
            groups.setdefault(file.group, {})[file.language or "gold"] = file
    sides: list[list[Sequence[str]]] = [[], []]
    beads: list[list[Sequence[int]]] = [[], []]
    for files in groups.values():
        documents = [aligned_lines(resolve(files[language])) for language in _BERG]
        for place, each in enumerate(_beads(files["gold"], [len(document) for document in documents])):
            sides[place].append(documents[place])
            beads[place].append(each)
    label = TaskLabel("summaries", "-".join(_BERG), _BERG, revision=revision_of(manifest))
    return SummariesTask(label, sides[0], sides[1], beads[0], beads[1])


def _beads(file: SplitFile, sizes: Sequence[int]) -> list[list[int]]:
    """Return the bead of each sentence of both sides, of an alignment written as ``[0]:[0, 1]`` a line."""
    path = resolve(file)
    found = [[NO_BEAD] * size for size in sizes]
    for bead, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        link = _LINK.match(line)
        if link is None:
            raise DamagedFileError(f"'{line[:40]}' is no link such as [0]:[0, 1].", where=f"{path}:{bead + 1}")
        places = [json.loads(side) for side in link.groups()]
        for side, rows in zip(found, places, strict=True):
            if any(row >= len(side) for row in rows):
                raise DamagedFileError("a sentence beyond the document's end.", where=f"{path}:{bead + 1}")
            if all(places):
                for row in rows:
                    side[row] = bead
    return found
