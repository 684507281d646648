"""The exceptions of the package: each says what was found, what was expected, where, and what to do next."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path


class MlingEmbedError(Exception):
    """Report a failure that the caller can act on.

    Args:
        what: What is wrong: found beside expected, in one sentence.
        where: The file, or a location such as ``pairs.tsv:17``.
        next_step: What to do about it, as an imperative sentence.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str | Path | None = None, next_step: str | None = None) -> None:
        self.what, self.where, self.next_step = what, where, next_step
        text = f"{where}: {what}" if where is not None else what
        super().__init__(f"{text} {next_step}" if next_step else text)


class UsageError(MlingEmbedError):
    """Report options or configuration that make no sense, before any work is done."""

    exit_code = 2


class DataError(MlingEmbedError):
    """Report input that does not have the form that it should have."""

    exit_code = 3


class DamagedFileError(MlingEmbedError):
    """Report a file that is not what was once written: wrong size, wrong hash, or cut short."""

    exit_code = 4


class Interrupted(MlingEmbedError):  # noqa: N818 -- not an error: the work goes on when asked to
    """Report work that was stopped from outside and can go on where it stopped."""

    exit_code = 75


class DiskFullError(MlingEmbedError, OSError):
    """Report a disk without room for what is written; what was there stays, and the same command goes on from it.

    Args:
        where: What was written.
        needed: Its size in bytes, as far as it is known.
    """

    def __init__(self, where: str | Path | None = None, *, needed: int | None = None) -> None:
        self.needed = needed
        about = "" if needed is None else f" (needs about {max(1, needed >> 20):,} MB)"
        super().__init__(f"no space left{about}.", where=where, next_step="Free some and give the same command again.")
        self.errno = errno.ENOSPC


def report_together(problems: Sequence[str], *, heading: str, where: str | Path | None = None) -> None:
    """Raise one `UsageError` that lists every problem, or return if there is none."""
    if problems:
        lines = "".join(f"\n  - {problem}" for problem in problems)
        raise UsageError(f"{heading}{lines}", where=where)
