"""Arrays kept under the name of what they were computed from: whole and unharmed, or computed again."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from numpy import ndarray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from mling_embed.files import write_bytes

logger = logging.getLogger(__name__)

_HEADER_BYTES = 8  # of a safetensors file: the length of its header


class ArrayStore:
    """Keep arrays by key, in a folder or in memory.

    A file appears when it is whole, and holds the SHA-256 of its arrays: one that was changed since is as good as not
    there. Equal keys stand for equal arrays, so that any number of processes may write into one folder.

    Args:
        folder: Where the files lie; `None` keeps the arrays in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._memory: dict[str, dict[str, ndarray]] = {}

    def __contains__(self, key: str) -> bool:
        """Tell whether there are arrays of a key, without a look at their bytes."""
        return key in self._memory if self._folder is None else self._path(key).is_file()

    def put(self, key: str, arrays: Mapping[str, ndarray]) -> None:
        """Keep arrays under a key."""
        if self._folder is None:
            self._memory[key] = dict(arrays)
            return
        write_bytes(self._path(key), save(dict(arrays), metadata={"sha256": _digest(arrays)}))

    def get(self, key: str) -> dict[str, ndarray] | None:
        """Return the arrays of a key, or `None` if there are none, or no longer those that were kept."""
        if self._folder is None:
            return self._memory.get(key)
        path = self._path(key)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            arrays = load(data)
        except SafetensorError:
            arrays = {}
        if _digest(arrays).encode() not in data[: _HEADER_BYTES + int.from_bytes(data[:_HEADER_BYTES], "little")]:
            logger.warning("%s is damaged; it is computed again.", path)
            path.unlink(missing_ok=True)
            return None
        return arrays

    def _path(self, key: str) -> Path:
        return Path(self._folder or "") / key[:2] / f"{key}.safetensors"


def key_of_parts(*parts: str | bytes) -> str:
    """Return the SHA-256 of parts, each with its length before it, as a key."""
    digest = sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def _digest(arrays: Mapping[str, ndarray]) -> str:
    parts: list[str | bytes] = []
    for name, array in sorted(arrays.items()):
        parts += [name, str(array.dtype), str(array.shape), array.tobytes()]
    return key_of_parts(*parts)
