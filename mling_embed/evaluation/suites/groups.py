"""Groups of test sets, by how much time there is: ``quick``, ``standard`` and ``all``."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mling_embed.errors import UsageError
from mling_embed.evaluation.suites import DEFAULT_SUITE, load_suite, not_among, suite_named, suites
from mling_embed.evaluation.tasks.contract import Task
from mling_embed.languages import language_tag

logger = logging.getLogger(__name__)


class Group(NamedTuple):
    """Hold what a group measures.

    Attributes:
        suites: The test sets; all there are, if none is named.
        limit: At most so many texts of each kind and language in a task; `None` for all.
        about: What it is, for a list.
    """

    suites: tuple[str, ...]
    limit: int | None
    about: str


GROUPS = {
    "quick": Group(
        (DEFAULT_SUITE, "sib-200", "stsb"), 100, "A group: phrasebook, sib-200 and stsb, 100 texts of each."
    ),
    "standard": Group((), 500, "A group: every test set, at most 500 texts of each kind and language."),
    "all": Group((), None, "A group: every test set, whole."),
}


def require_tasks(name: str) -> None:
    """See that there is a group or a test set of a name.

    Raises:
        UsageError: There is none; the nearest is named.
    """
    if name not in GROUPS:
        suite_named(name)


def load_tasks(name: str, *, languages: Iterable[str] | None = None, limit: int | None = None) -> list[Task]:
    """Load the tasks of a test set or of a group.

    Args:
        name: Which.
        languages: Keep the tasks of these alone (English need not be named). A test set of a group that has none of
            them is left out.
        limit: At most so many texts of each kind and language in a task; a group's own limit by default.

    Raises:
        UsageError: There is no such test set, or none in one of the languages.
        DataError: Its files cannot be had.
    """
    wanted = None if languages is None else [language_tag(language) for language in languages]
    if name in GROUPS:
        group = GROUPS[name]
        tasks = _of_group(group.suites or tuple(suites()), wanted)
        limit = group.limit if limit is None else limit
    else:
        tasks = load_suite(name, languages=wanted)
    return tasks if limit is None else [task.capped(limit) for task in tasks]


def load_several(
    names: Sequence[str], *, languages: Iterable[str] | None = None, limit: int | None = None
) -> list[Task]:
    """Load the tasks of several test sets or groups; of these, any may lack one of the languages, but not all.

    Args:
        names: Which.
        languages: As `load_tasks` has it.
        limit: As `load_tasks` has it.

    Raises:
        UsageError: There is no such test set, or none of them has a task in one of the languages.
        DataError: Their files cannot be had.
    """
    if len(names) == 1:
        return load_tasks(names[0], languages=languages, limit=limit)
    wanted = None if languages is None else [language_tag(language) for language in languages]
    tasks: list[Task] = []
    for name in names:
        own = GROUPS[name].limit if name in GROUPS and limit is None else limit
        found = _of_group(GROUPS[name].suites or tuple(suites()), wanted) if name in GROUPS else _there(name, wanted)
        tasks += found if own is None else [task.capped(own) for task in found]
    _require_languages(names, tasks, wanted)
    return tasks


def _of_group(names: Sequence[str], wanted: Sequence[str] | None) -> list[Task]:
    tasks = [task for name in names for task in _there(name, wanted)]
    _require_languages(names, tasks, wanted)
    return tasks


def _there(name: str, wanted: Sequence[str] | None) -> list[Task]:
    """Return the tasks of a test set in any of the languages."""
    found = list(suite_named(name)(wanted))
    if not found:
        logger.info("%s has no task in the languages asked for; it is left out.", name)
    return found


def _require_languages(names: Sequence[str], tasks: Sequence[Task], wanted: Sequence[str] | None) -> None:
    if missing := not_among(wanted, {language for task in tasks for language in task.label.languages}):
        raise UsageError(f"none of {', '.join(names)} has a task in {', '.join(missing)}.")
