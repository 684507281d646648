"""Pairs from memory: tuples or dictionaries, written as JSON lines that a corpus is built from."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mling_embed.errors import DataError
from mling_embed.files import room_on_disk, sync_folder

_PARTS = ("english", "other", "language")


def write_pairs(rows: Iterable[Any], folder: Path) -> Path:
    """Write pairs into a folder, as a file named by its content, and return the file.

    Args:
        rows: Tuples ``(english, other, language)``, or dictionaries with the columns of a JSON-lines file.
        folder: Where.

    Raises:
        DataError: A row is neither, or there are none.
        DiskFullError: The disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    part, digest = folder / f".pairs.part-{os.getpid()}", hashlib.sha256()
    try:
        with room_on_disk(folder), part.open("wb") as file:
            for row in _records(rows):
                line = (json.dumps(row, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
                digest.update(line)
                file.write(line)
            os.fsync(file.fileno())
        if not part.stat().st_size:
            raise DataError("no pairs.", next_step="Give tuples (english, other, language), or rows of a data set.")
        path = folder / f"{digest.hexdigest()[:16]}.jsonl"
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(folder)
    return path


def _records(rows: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    for number, row in enumerate(rows, 1):
        if isinstance(row, Mapping):
            yield row
        elif isinstance(row, Sequence) and not isinstance(row, str | bytes) and len(row) == len(_PARTS):
            yield dict(zip(_PARTS, row, strict=True))
        else:
            raise DataError(
                f"pair {number} is {str(row)[:80]!r}, expected (english, other, language).",
                next_step="Give tuples of three strings, or dictionaries with these keys.",
            )
