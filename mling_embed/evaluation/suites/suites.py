"""Suites of tasks: from manifests, from a corpus's dev split, and from the built-in phrasebook."""

from __future__ import annotations

import difflib
import hashlib
import logging
import re
from collections.abc import Callable, Collection, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mling_embed.corpora.fetching import resolve
from mling_embed.corpora.manifests import Manifest, Role, SplitFile, load_manifest, manifest_folder, manifest_names
from mling_embed.errors import DamagedFileError, DataError, UsageError
from mling_embed.evaluation.suites.user_files import aligned_lines, read_table, sts_task
from mling_embed.evaluation.tasks.tasks import BitextTask, RetrievalTask, StsTask, Task, TaskLabel
from mling_embed.files import sha256_of
from mling_embed.languages import ENGLISH, language_code

if TYPE_CHECKING:
    from mling_embed.corpora.parallel import ParallelCorpus

logger = logging.getLogger(__name__)

DEV_LIMIT = 1000
PHRASEBOOK = "phrasebook"
_NOT_LANGUAGES = frozenset({"id", "topic", "split", "kind", "relevant", "score"})


class Suite(StrEnum):
    """Name a suite that needs no files of the user's."""

    TATOEBA = "tatoeba"
    STSB = "stsb"
    PHRASEBOOK = "phrasebook"
    DEV = "dev"


def suite_named(name: str) -> Suite:
    """Return the suite of a name.

    Raises:
        UsageError: There is none; the nearest is named.
    """
    if name in list(Suite):
        return Suite(name)
    near = difflib.get_close_matches(name, list(Suite), n=1, cutoff=0.4)
    hint = f"Did you mean {near[0]}?" if near else f"The suites are {', '.join(Suite)}."
    raise UsageError(f"there is no suite '{name}'.", next_step=hint)


def load_suite(
    suite: Suite, *, languages: Collection[str] | None = None, corpus: ParallelCorpus | None = None
) -> list[Task]:
    """Load the tasks of a suite.

    Args:
        suite: Which.
        languages: Keep the tasks of these alone (English need not be named).
        corpus: The corpus whose dev split is meant, for `Suite.DEV`.

    Raises:
        UsageError: The suite has none of a language, or needs a corpus.
        DataError: Its files cannot be had.
    """
    wanted = None if languages is None else {language_code(language) for language in languages}
    if suite is Suite.DEV:
        if corpus is None:
            raise UsageError("the suite 'dev' is the dev split of a corpus.", next_step="Name one with --corpus DIR.")
        if wanted is not None and (missing := sorted(wanted - set(corpus.languages) - {ENGLISH})):
            there = ", ".join(corpus.languages)
            raise UsageError(f"no {', '.join(missing)} in it; there are {there}.", where=corpus.path)
        measured: list[Task] = list(dev_tasks(corpus, languages=wanted))
        if not measured:
            raise DataError(
                "its dev split holds no pairs: there is nothing to measure.",
                where=corpus.path,
                next_step="Build it with a larger --dev-fraction.",
            )
        return measured
    loaders: dict[Suite, Callable[[Collection[str] | None], Iterator[Task]]] = {
        Suite.TATOEBA: tatoeba_tasks,
        Suite.STSB: stsb_tasks,
        Suite.PHRASEBOOK: phrasebook_tasks,
    }
    tasks = list(loaders[suite](wanted))
    if suite is Suite.TATOEBA:  # the files are in the order of other codes
        tasks.sort(key=lambda task: task.label.name)
    found = {language for task in tasks for language in task.label.languages}
    if wanted is not None and (missing := sorted(wanted - found - {ENGLISH})):
        raise UsageError(f"the suite '{suite}' has no task in {', '.join(missing)}.")
    return tasks


def tatoeba_tasks(languages: Collection[str] | None = None) -> Iterator[BitextTask]:
    """Yield LASER's Tatoeba test, a task for each language beside English."""
    manifest = load_manifest("tatoeba-v1")
    groups: dict[str, dict[str, SplitFile]] = {}
    for file in manifest.files(Role.TEST):
        if file.group is not None and file.language is not None:
            groups.setdefault(file.group, {})[file.language] = file
    revision = _revision(manifest)
    names: set[str] = set()
    for group, files in sorted(groups.items()):
        other = next((language for language in files if language != ENGLISH), None)
        if other is None or ENGLISH not in files or not _wanted(languages, other):
            continue
        sides = [aligned_lines(resolve(files[language])) for language in (other, ENGLISH)]
        # Two of LASER's groups are one language today (dtp, kzj): the second keeps its own name.
        name = f"{other if f'{other}-{ENGLISH}' not in names else group}-{ENGLISH}"
        names.add(name)
        label = TaskLabel(manifest.name, name, (other, ENGLISH), revision=revision)
        if len(sides[0]) != len(sides[1]):
            raise DataError(f"{len(sides[0])} and {len(sides[1])} lines; expected as many.", where=f"{label} ({group})")
        yield BitextTask(label, sides[0], sides[1])


def stsb_tasks(languages: Collection[str] | None = None) -> Iterator[StsTask]:
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
            if file.language is None or not _wanted(languages, file.language):
                continue
            within[file.language] = _sts_of(
                file, TaskLabel(suite, "", (file.language,) * 2, "test", _revision(manifest))
            )
    english = within.pop(ENGLISH)
    yield english
    for language, task in sorted(within.items()):
        yield task
        if len(task.scores) != len(english.scores):
            raise DataError(f"{len(task.scores)} rows, English has {len(english.scores)}.", where=str(task.label))
        label = TaskLabel(suite, f"{ENGLISH}-{language}", (ENGLISH, language), "test", task.label.revision)
        yield StsTask(label, english.sentences1, task.sentences2, english.scores)


def dev_tasks(
    corpus: ParallelCorpus, *, languages: Collection[str] | None = None, limit: int = DEV_LIMIT, seed: int = 0
) -> Iterator[BitextTask]:
    """Yield the dev split of a corpus: a task for each language and source, of at most `limit` pairs.

    An English sentence occurs once in a task: the first of its translations stands for it.
    """
    from mling_embed.corpora.parallel import Split

    for language in corpus.languages:
        if not _wanted(languages, language):
            continue
        table = corpus.pairs(language, Split.DEV)
        present = np.unique(table.source_codes).tolist()
        if not present:
            logger.warning("%s: no pair in the dev split of %s; it is not measured.", language, corpus.path)
        for source in dict.fromkeys(table.source_names[code] for code in present):
            # Inputs of one name are one source.
            codes = [code for code in present if table.source_names[code] == source]
            places = np.flatnonzero(np.isin(table.source_codes, codes))
            places = places[np.sort(np.unique(table.english_rows[places], return_index=True)[1])]
            if len(places) > limit:
                digest = hashlib.blake2b(f"{seed} {language} {source}".encode(), digest_size=8).digest()
                rng = np.random.default_rng(int.from_bytes(digest))
                places = np.sort(rng.choice(places, limit, replace=False))
            label = TaskLabel(f"dev/{source}", f"{language}-{ENGLISH}", (language, ENGLISH), "dev", corpus.fingerprint)
            yield BitextTask(label, table.text_list(places), corpus.english_texts(table.english_rows[places]))


def phrasebook_tasks(languages: Collection[str] | None = None) -> Iterator[Task]:
    """Yield the built-in phrasebook's test sentences, graded pairs, and questions, as far as they are there."""
    folder = manifest_folder() / PHRASEBOOK
    revision = sha256_of(folder / "sentences.tsv") if (folder / "sentences.tsv").is_file() else ""
    yield from phrasebook_sentences(folder, languages=languages, revision=revision)
    if (folder / "sts.tsv").is_file():
        yield from _phrasebook_sts(folder / "sts.tsv", languages)
    if (folder / "qa.tsv").is_file():
        yield from _phrasebook_questions(folder / "qa.tsv", languages)


def phrasebook_sentences(
    folder: Path, *, split: str = "test", languages: Collection[str] | None = None, revision: str = ""
) -> Iterator[BitextTask]:
    """Yield a bitext task for each language of a phrasebook's ``sentences.tsv``, of the rows of one split."""
    path = folder / "sentences.tsv"
    rows = [row for row in _named_rows(path) if row["split"] == split]
    if not rows or ENGLISH not in rows[0]:
        raise DataError(f"no rows of split '{split}' with a column '{ENGLISH}'.", where=path)
    english = [row[ENGLISH] for row in rows]
    for language in rows[0]:
        if language in _NOT_LANGUAGES or language == ENGLISH or not _wanted(languages, language):
            continue
        label = TaskLabel(PHRASEBOOK, f"{language}-{ENGLISH}", (language, ENGLISH), split, revision)
        yield BitextTask(label, [row[language] for row in rows], english)


def _phrasebook_sts(path: Path, languages: Collection[str] | None) -> Iterator[StsTask]:
    rows, revision = list(_named_rows(path)), sha256_of(path)
    columns = [name.removeprefix("sentence1_") for name in rows[0] if name.startswith("sentence1_")]
    scores = [float(row["score"]) for row in rows]
    for language in sorted(columns, key=lambda name: (name != ENGLISH, name)):
        if not _wanted(languages, language):
            continue
        pairs = [(language, language)] if language == ENGLISH else [(language, language), (ENGLISH, language)]
        for first, second in pairs:
            label = TaskLabel(f"{PHRASEBOOK}-sts", f"{first}-{second}", (first, second), "test", revision)
            firsts = [row[f"sentence1_{first}"] for row in rows]
            yield StsTask(label, firsts, [row[f"sentence2_{second}"] for row in rows], scores)


def _phrasebook_questions(path: Path, languages: Collection[str] | None) -> Iterator[RetrievalTask]:
    rows, revision = list(_named_rows(path)), sha256_of(path)
    passages = {row["id"]: row[ENGLISH] for row in rows if row["kind"] == "passage"}
    questions = [row for row in rows if row["kind"] == "question"]
    qrels = {row["id"]: {passage.strip(): 1.0 for passage in row["relevant"].split(",")} for row in questions}
    for language in rows[0]:
        if language not in _NOT_LANGUAGES and _wanted(languages, language):
            label = TaskLabel(f"{PHRASEBOOK}-qa", f"{language}-{ENGLISH}", (language, ENGLISH), "test", revision)
            yield RetrievalTask(label, passages, {row["id"]: row[language] for row in questions}, qrels)


def _named_rows(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a TSV with a header as dictionaries."""
    (_, header), *rows = read_table(path, delimiter="\t")
    for number, cells in rows:
        if len(cells) != len(header):
            raise DamagedFileError(f"{len(cells)} columns, expected {len(header)}.", where=f"{path}:{number}")
        yield dict(zip(header, cells, strict=True))


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


def _wanted(languages: Collection[str] | None, language: str) -> bool:
    return languages is None or language in languages or language == ENGLISH


def _revision(manifest: Manifest) -> str:
    """Return the commit in the address of a manifest's first file, or an empty string."""
    first = next((file.url for file in manifest.files() if file.url), "") or ""
    found = re.search(r"/([0-9a-f]{40})/", first)
    return found.group(1) if found else ""
