"""One writer at a time, who is named to those who wait; readers who keep what they read from being removed."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from filelock import FileLock, Timeout

from mling_embed import files
from mling_embed.errors import UsageError

WAIT_SECONDS = 30.0
_READERS = "READERS"


class LockedError(UsageError):
    """Report that another process is at work on the index."""

    exit_code = 75


class Task(StrEnum):
    """Name what one process at a time may do: change the rows, or publish a generation of them."""

    WRITE = "writer"
    PUBLISH = "publisher"


@contextmanager
def lock(folder: Path, task: Task, *, work: str, wait: float = WAIT_SECONDS) -> Iterator[None]:
    """Be the only one who does a task, in this process and in others; a killed holder lets go.

    Args:
        folder: The index.
        task: Which.
        work: What is done, told to those who wait too long.
        wait: Seconds to wait for another one.

    Raises:
        LockedError: Another one still does after that time; it says who.
    """
    holder = folder / f"{task}.json"
    held = FileLock(folder / f"{task}.lock", timeout=wait, thread_local=False)
    try:
        held.acquire()
    except Timeout:
        raise LockedError(
            f"{_described(holder)} still holds the {task}'s lock after {wait:g} seconds of waiting.",
            where=folder,
            next_step="Wait until it is done, or stop it; searching is possible all the time.",
        ) from None
    try:
        note = {"process": os.getpid(), "host": socket.gethostname(), "work": work, "since": time.time()}
        holder.write_text(json.dumps(note), encoding="utf-8")  # a note for people, nothing depends on it
        yield
    finally:
        held.release()


def _described(holder: Path) -> str:
    try:
        note = json.loads(holder.read_text(encoding="utf-8"))
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(note["since"]))
        return f"process {note['process']} on {note['host']} ({note['work']}, since {since})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


class ReaderLock:
    """Keep a generation's folder from being removed while it is read.

    Windows has no such locks: there the open file itself keeps the folder from getting another name (`retired`).

    Args:
        folder: The generation.

    Raises:
        FileNotFoundError: It is no longer there.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptor = -1
        self._descriptor = os.open(folder / _READERS, os.O_RDONLY)
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(self._descriptor, fcntl.LOCK_SH)
        try:
            (folder / _READERS).stat()
        except FileNotFoundError:
            self.close()
            raise

    def close(self) -> None:
        """Let go."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        """Let go when nobody reads the generation any more."""
        self.close()


def make_reader_lock(folder: Path) -> None:
    """Write the file that readers lock."""
    (folder / _READERS).touch()


def retired(folder: Path) -> Path | None:
    """Give a generation that nobody reads the name of a leftover, so that it goes whole; `None` if that is refused.

    Windows refuses to rename a folder in which any process has a file open; elsewhere `without_readers` has looked.
    """
    gone = folder.with_name(f"{folder.name}.part-{os.getpid()}")
    try:
        files.rename(folder, gone)
    except OSError:
        return None
    return gone


@contextmanager
def without_readers(folder: Path) -> Iterator[bool]:
    """Tell whether nobody reads a generation, and keep readers out until the block ends.

    On Windows, which cannot tell, every generation seems to be free; `retired` finds out.
    """
    if sys.platform == "win32":
        yield True
        return
    import fcntl

    try:
        descriptor = os.open(folder / _READERS, os.O_RDONLY)
    except FileNotFoundError:
        yield True
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(descriptor)
