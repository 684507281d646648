"""The engine contract: tasks that write their results under names of their own, done by whoever is at hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from mling_embed.progress import Progress


@runtime_checkable
class Task(Protocol):
    """A piece of work that is the same wherever it is done.

    It can be sent to another machine, holds paths and no arrays, and writes what it makes into a folder that all
    machines see, whole or not at all, under a name that says what it was made from. To do it twice does no harm.
    """

    @property
    def needs_model(self) -> bool:
        """Tell whether it loads an encoder, which a worker does once."""

    @property
    def threads(self) -> int:
        """Processor threads that it uses; for a model always as many, so that its vectors are the same bytes."""

    def is_done(self) -> bool:
        """Tell whether what it makes is there."""

    def run(self) -> None:
        """Do it."""


@runtime_checkable
class Engine(Protocol):
    """Do tasks somewhere."""

    def run(self, tasks: Sequence[Task], *, work: str, progress: Progress, last: bool = False) -> None:
        """Do the tasks that are not done; when it returns, all are.

        Args:
            tasks: What is to be done, in any order.
            work: What it is called.
            progress: Told of tasks done.
            last: Whether what comes after is for one process alone.

        Raises:
            Interrupted: Others have a part of the tasks, and have not done it yet.
        """


class InProcess:
    """Do tasks here, one after the other."""

    def run(self, tasks: Sequence[Task], *, work: str, progress: Progress, last: bool = False) -> None:
        """Do the tasks that are not done."""
        for done, task in enumerate(tasks):
            progress(work, done, len(tasks))
            if not task.is_done():
                task.run()
        progress(work, len(tasks), len(tasks))
