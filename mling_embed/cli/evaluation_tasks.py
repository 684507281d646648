"""What the verb ``evaluate`` measures: test sets by name, users' own files, a corpus's dev split."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mling_embed.errors import UsageError
from mling_embed.languages import ENGLISH, UNKNOWN_LANGUAGE, language_code, language_tag, taken

if TYPE_CHECKING:
    from mling_embed.evaluation.tasks.contract import Task

DEV = "dev"


@dataclass(frozen=True, slots=True)
class Asked:
    """Hold what the options ask to be measured.

    Attributes:
        names: Test sets; each word may be several with commas.
        bitext: Two line-aligned files.
        sts: Tables of scored pairs.
        retrieval: Folders as BEIR has them.
        classification: Labelled texts to learn from, and to test on.
        corpus: Whose dev split is measured.
        languages: Codes with commas, `None` for all.
        limit: At most so many texts of each kind and language in a task; by default all, or what a group says.
    """

    names: Sequence[str] = ()
    bitext: tuple[Path, Path] | None = None
    sts: Sequence[Path] = ()
    retrieval: Sequence[Path] = ()
    classification: tuple[Path, Path] | None = None
    corpus: Path | None = None
    languages: str | None = None
    limit: int | None = None

    @property
    def has_files(self) -> bool:
        """Whether files of one's own are among it."""
        return bool(self.bitext or self.sts or self.retrieval or self.classification)

    def tasks(self) -> list[Task]:
        """Return the tasks, the phrasebook's where nothing is asked for.

        Raises:
            UsageError: There is no such test set, a dev split is meant and no corpus given, or the languages of files
                cannot be told.
        """
        from mling_embed.evaluation.suites.groups import load_several

        names = self._suites()
        wanted = _codes(self.languages)
        if wanted and len(wanted) > 1 and not names and self.corpus is None and self.has_files:
            raise UsageError(
                "--languages chooses among the languages of a suite; files have one each.",
                next_step="Give the one language of the files, or add --tasks.",
            )
        tasks = self._capped(self._of_files(wanted))
        if names:
            tasks += load_several(names, languages=wanted, limit=self.limit)
        if self.corpus is not None:
            from mling_embed.corpora.parallel import ParallelCorpus
            from mling_embed.evaluation.suites.dev import load_dev

            tasks += self._capped(load_dev(ParallelCorpus.open(self.corpus), languages=wanted))
        return tasks

    def _capped(self, tasks: Iterable[Task]) -> list[Task]:
        return [task if self.limit is None else task.capped(self.limit) for task in tasks]

    def _suites(self) -> list[str]:
        """Return the suites asked for, having seen that they exist."""
        from mling_embed.evaluation.suites import DEFAULT_SUITE
        from mling_embed.evaluation.suites.groups import require_tasks

        names = list(dict.fromkeys(name.strip() for text in self.names for name in text.split(",") if name.strip()))
        if DEV in names:
            if self.corpus is None:
                raise UsageError("'dev' is the dev split of a corpus.", next_step="Name one with --corpus DIR.")
            names.remove(DEV)
        for name in names:
            require_tasks(name)
        return names or ([] if self.has_files or self.corpus is not None else [DEFAULT_SUITE])

    def _of_files(self, wanted: Sequence[str] | None) -> Iterator[Task]:
        from mling_embed.evaluation.suites.user_files import (
            bitext_from_files,
            classification_from_files,
            retrieval_from_folder,
            sts_from_file,
        )

        if self.bitext is not None:
            source, target = self.bitext
            language = _source_language(source, wanted)
            other = _suffix_language(target) or ENGLISH
            yield bitext_from_files(source, target, language=language, target_language=other)
        one = wanted[0] if wanted and len(wanted) == 1 else UNKNOWN_LANGUAGE
        for path in self.sts:
            yield sts_from_file(path, languages=(one, one))
        for folder in self.retrieval:
            yield retrieval_from_folder(folder, languages=(one, one))
        if self.classification is not None:
            yield classification_from_files(*self.classification, languages=(one, one))


def _codes(languages: str | None) -> list[str] | None:
    return None if languages is None else [language_tag(name) for name in languages.split(",") if name.strip()]


def _source_language(source: Path, wanted: Sequence[str] | None) -> str:
    """Return the language of ``--bitext``'s first file: what is said wins over what its suffix says."""
    named = _suffix_language(source) or UNKNOWN_LANGUAGE
    if not wanted or (named != UNKNOWN_LANGUAGE and taken(wanted, named)):
        return named
    if len(wanted) > 1:
        raise UsageError(
            f"--languages names {', '.join(wanted)}; which of them is it?",
            where=source,
            next_step="Give the one language of the file.",
        )
    return language_code(wanted[0])


def _suffix_language(path: Path) -> str | None:
    """Return the language that a file's last suffix names (``news.de``): two letters, for longer ones say other things.

    A code of three letters is as often ``txt``, ``tsv``, ``dev`` or ``new``, each of which is a language too.
    """
    from mling_embed.corpora.archives import plain_name

    suffix = Path(plain_name(path)).suffix[1:]
    try:
        return language_code(suffix) if len(suffix.replace("_", "-").partition("-")[0]) == 2 else None
    except UsageError:
        return None
