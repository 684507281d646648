"""The built-in phrasebook: test sentences in 13 languages, graded pairs and questions in five."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from mling_embed.corpora.manifests import manifest_folder
from mling_embed.errors import DamagedFileError, DataError
from mling_embed.evaluation.suites import is_wanted
from mling_embed.evaluation.suites.table_rows import read_table
from mling_embed.evaluation.tasks.bitext import BitextTask
from mling_embed.evaluation.tasks.contract import Task, TaskLabel
from mling_embed.evaluation.tasks.retrieval import RetrievalTask
from mling_embed.evaluation.tasks.sts import StsTask
from mling_embed.files import sha256_of
from mling_embed.languages import ENGLISH

PHRASEBOOK = "phrasebook"
_NOT_LANGUAGES = frozenset({"id", "topic", "split", "kind", "relevant", "score"})


def tasks(languages: Collection[str] | None = None) -> Iterator[Task]:
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
        if language in _NOT_LANGUAGES or language == ENGLISH or not is_wanted(language, languages):
            continue
        label = TaskLabel(PHRASEBOOK, f"{language}-{ENGLISH}", (language, ENGLISH), split, revision)
        yield BitextTask(label, [row[language] for row in rows], english)


def _phrasebook_sts(path: Path, languages: Collection[str] | None) -> Iterator[StsTask]:
    rows, revision = list(_named_rows(path)), sha256_of(path)
    columns = [name.removeprefix("sentence1_") for name in rows[0] if name.startswith("sentence1_")]
    scores = [float(row["score"]) for row in rows]
    for language in sorted(columns, key=lambda name: (name != ENGLISH, name)):
        if not is_wanted(language, languages):
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
    qrels = {row["id"]: {passage.strip(): 1 for passage in row["relevant"].split(",")} for row in questions}
    for language in rows[0]:
        if language not in _NOT_LANGUAGES and is_wanted(language, languages):
            label = TaskLabel(f"{PHRASEBOOK}-qa", f"{language}-{ENGLISH}", (language, ENGLISH), "test", revision)
            yield RetrievalTask(label, passages, {row["id"]: row[language] for row in questions}, qrels)


def _named_rows(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a TSV with a header as dictionaries."""
    (_, header), *rows = read_table(path, delimiter="\t")
    for number, cells in rows:
        if len(cells) != len(header):
            raise DamagedFileError(f"{len(cells)} columns, expected {len(header)}.", where=f"{path}:{number}")
        yield dict(zip(header, cells, strict=True))
