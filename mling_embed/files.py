"""Files that are whole or not there: atomic writing, hashing, and the places on disk."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import platformdirs

from mling_embed.errors import DamagedFileError, DataError, DiskFullError, MlingEmbedError

HOME_VARIABLE = "MLING_EMBED_HOME"
MIRROR_VARIABLE = "MLING_EMBED_MIRROR"
# The words of those that raise errors of their own: safetensors and tokenizers, SQLite, numpy.
_FULL = re.compile(
    rf"No space left on device|os error ({errno.ENOSPC}|{errno.EDQUOT})\b|database or disk is full"
    r"|\d+ requested and \d+ written",
)


def cache_root() -> Path:
    """Return the cache folder: ``$MLING_EMBED_HOME``, else the platform's cache folder."""
    home = os.environ.get(HOME_VARIABLE)
    return Path(home) if home else Path(platformdirs.user_cache_dir("mling_embed"))


def mirror_folders() -> list[Path]:
    """Return the folders of ``$MLING_EMBED_MIRROR`` (separated as in ``PATH``), in order."""
    return [Path(part) for part in os.environ.get(MIRROR_VARIABLE, "").split(os.pathsep) if part]


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# The steps of which every durable change is made: a test can stop or fail each one of them.


def write(file: IO[bytes], data: bytes | memoryview) -> None:
    """Write bytes to an open file."""
    file.write(data)


def fsync(descriptor: int) -> None:
    """Flush an open file, or folder, to disk."""
    os.fsync(descriptor)


def rename(source: Path, target: Path) -> None:
    """Give a file or folder another name, in place of what has that name."""
    source.replace(target)


def remove(path: Path) -> None:
    """Remove a file, if it is there."""
    path.unlink(missing_ok=True)


def remove_folder(folder: Path) -> None:
    """Remove a folder that nobody needs, as far as it can be removed."""
    shutil.rmtree(folder, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, so that a rename in it survives a power cut (Windows cannot open one)."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fsync(descriptor)
    finally:
        os.close(descriptor)


def is_disk_full(error: BaseException) -> bool:
    """Say whether a full disk, or a used-up quota, is what an error means, whichever library raised it."""
    if isinstance(error, MlingEmbedError) and not isinstance(error, DiskFullError):
        return False
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return _FULL.search(str(error)) is not None


@contextmanager
def room_on_disk(path: Path, *, needed: int | None = None) -> Iterator[None]:
    """Turn a full disk into one error, whichever library meets it while the block writes a file or folder.

    Args:
        path: What is written, by the name that it will have.
        needed: Its size in bytes, as far as it is known.

    Raises:
        DiskFullError: The disk is full.
    """
    try:
        yield
    except Exception as error:
        if not is_disk_full(error):
            raise
        raise DiskFullError(path, needed=needed or getattr(error, "needed", None)) from error


@contextmanager
def atomic_writer(path: Path, *, needed: int | None = None) -> Iterator[IO[bytes]]:
    """Open a binary file that appears under `path` only when the block ends without an exception.

    The bytes go to ``<name>.part-<pid>`` in the same folder, are flushed to disk, and are renamed.

    Args:
        path: Of the file.
        needed: Its size in bytes, where it is known.

    Raises:
        DiskFullError: The disk is full; what was at `path` stays.
    """
    with room_on_disk(path, needed=needed):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part-{os.getpid()}")
        try:
            with part.open("wb") as file:
                yield file
                file.flush()
                fsync(file.fileno())
            rename(part, path)
            sync_folder(path.parent)
        finally:
            part.unlink(missing_ok=True)


def append_text(path: Path, text: str) -> None:
    """Add text to the end of a UTF-8 file.

    Raises:
        DiskFullError: The disk is full.
    """
    with room_on_disk(path), path.open("a", encoding="utf-8") as file:
        file.write(text)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole, or not at all."""
    with atomic_writer(path, needed=len(data)) as file:
        write(file, data)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file whole, or not at all; line ends are written as given."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write an indented UTF-8 JSON file whole, or not at all."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        DataError: The file is not there.
        DamagedFileError: The file is not JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DataError("no such file.", where=path) from None
    except ValueError as error:
        raise DamagedFileError(f"not JSON ({error}).", where=path, next_step="Delete it and run again.") from None


@contextmanager
def replacing_folder(folder: Path, *, needed: int | None = None) -> Iterator[Path]:
    """Give a new folder beside `folder` that takes its place when the block ends without an exception.

    The old folder is there, whole, until the new one is flushed to disk.

    Args:
        folder: Whose place it takes.
        needed: Size in bytes of what will be in it, as far as it is known.

    Raises:
        DiskFullError: The disk is full; the old folder stays.
    """
    part = folder.with_name(f"{folder.name}.part-{os.getpid()}")
    old = folder.with_name(f"{folder.name}.old-{os.getpid()}")
    remove_folder(part)
    with room_on_disk(folder, needed=needed):
        try:
            part.mkdir(parents=True)
            yield part
            for path in part.rglob("*"):
                if path.is_file():
                    with path.open("rb") as file:
                        fsync(file.fileno())
            if folder.exists():
                rename(folder, old)
            rename(part, folder)
            sync_folder(folder.parent)
        finally:
            if old.exists() and not folder.exists():
                rename(old, folder)
            remove_folder(part)
            remove_folder(old)
