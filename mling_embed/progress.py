"""Progress as a parameter: the library reports steps, the caller decides what to show."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Progress(Protocol):
    """Receive the advance of a named piece of work.

    Called with the work's name, the units done so far, and the units in all (`None` when unknown).
    The last call of a piece of work has ``done == total``.
    """

    def __call__(self, work: str, done: int, total: int | None, /) -> None:
        """Take note of the advance."""


def silent(work: str, done: int, total: int | None, /) -> None:
    """Show nothing."""
