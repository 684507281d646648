"""Suites of tasks, one module a data set: a module here with a function `tasks` is a suite, found by its name.

``tasks(languages)`` yields the tasks of these languages (`None`: of all; English is always among them), reading no more
files than they need. The suite's name is the module's, with hyphens; the first line of its docstring describes it.
"""

from __future__ import annotations

import difflib
import pkgutil
from collections.abc import Callable, Collection, Iterable, Iterator
from importlib import import_module
from types import ModuleType
from typing import cast

from mling_embed.errors import UsageError
from mling_embed.evaluation.tasks.contract import Task
from mling_embed.languages import ENGLISH, is_known, language_tag, taken, takes

DEFAULT_SUITE = "phrasebook"
Suite = Callable[[Collection[str] | None], Iterator[Task]]


def suites() -> dict[str, Suite]:
    """Return the suites, by name."""
    return {name: cast(Suite, module.tasks) for name, module in _modules().items()}


def descriptions() -> dict[str, str]:
    """Return what each suite is, by name."""
    return {name: (module.__doc__ or "").partition("\n")[0] for name, module in _modules().items()}


def _modules() -> dict[str, ModuleType]:
    modules = {each.name: import_module(f"{__name__}.{each.name}") for each in pkgutil.iter_modules(__path__)}
    return {name.replace("_", "-"): module for name, module in modules.items() if hasattr(module, "tasks")}


def suite_named(name: str) -> Suite:
    """Return the suite of a name.

    Raises:
        UsageError: There is none; the nearest is named.
    """
    known = suites()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(known)}."
    raise UsageError(f"there are no tasks '{name}'.", next_step=hint)


def load_suite(name: str, *, languages: Iterable[str] | None = None) -> list[Task]:
    """Load the tasks of a suite.

    Args:
        name: Which.
        languages: Keep the tasks of these alone (English need not be named).

    Raises:
        UsageError: There is no such suite, or it has no task in one of the languages.
        DataError: Its files cannot be had.
    """
    suite = suite_named(name)
    wanted = None if languages is None else [language_tag(language) for language in languages]
    tasks = list(suite(wanted))
    if missing := not_among(wanted, {language for task in tasks for language in task.label.languages}):
        raise UsageError(f"the tasks '{name}' have none in {', '.join(missing)}.")
    return tasks


def not_among(wanted: Collection[str] | None, languages: Iterable[str]) -> list[str]:
    """Return those of the languages asked for that none of the others is meant by; English is never missed."""
    known = [ENGLISH, *filter(is_known, languages)]
    return sorted(asked for asked in wanted or () if not any(takes(asked, language) for language in known))


def is_wanted(language: str, languages: Collection[str] | None) -> bool:
    """Tell whether a suite that was asked for these languages needs this one."""
    return language == ENGLISH or taken(languages, language)
