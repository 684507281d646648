"""Shares: one of n processes that know nothing of each other but the folder that they write into."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mling_embed.engines.engine import Task
from mling_embed.errors import Interrupted, UsageError
from mling_embed.progress import Progress


class ShareDone(Interrupted):
    """Say that a share is done; what comes after is for one process when all are."""

    exit_code = 0


@dataclass(frozen=True, slots=True)
class Share:
    """Do every n-th task.

    Attributes:
        number: Whose share, from 1.
        of: The number of shares.
    """

    number: int
    of: int

    def __str__(self) -> str:
        """Return it as it is written."""
        return f"{self.number}/{self.of}"

    def run(self, tasks: Sequence[Task], *, work: str, progress: Progress, last: bool = False) -> None:
        """Do the tasks of this share that are not done.

        Raises:
            Interrupted: There are tasks of others that are not done, and more stages to come.
            ShareDone: It was the last stage.
        """
        own = tasks[self.number - 1 :: self.of]
        for done, task in enumerate(own):
            progress(work, done, len(own))
            if not task.is_done():
                task.run()
        progress(work, len(own), len(own))
        if last:
            raise ShareDone(
                f"share {self} of {work} is done ({len(own):,} of {len(tasks):,}).",
                next_step="When all shares are, give the command without --shard.",
            )
        missing = sum(not task.is_done() for task in tasks)
        if missing:
            raise Interrupted(
                f"share {self} of {work} is done; {missing:,} of {len(tasks):,} parts of other shares are not.",
                next_step="When all shares have come so far, give the same command again.",
            )


def parse_share(text: str) -> Share:
    """Return the share that is written as ``i/n``, i from 1.

    Raises:
        UsageError: It is none.

    >>> parse_share("3/8")
    Share(number=3, of=8)
    """
    match = re.fullmatch(r"\s*(\d{1,9})\s*/\s*(\d{1,9})\s*", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise UsageError(f"'{text}' is no share.", next_step="Write 3/8 for the third of eight; they count from 1.")
    return Share(int(match[1]), int(match[2]))
