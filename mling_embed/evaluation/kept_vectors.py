"""Vectors on disk: a text that was encoded for one evaluation is not encoded again for the next.

The folder of an encoder is named as that of a teacher's targets is, by its fingerprint and number format, and by the
role of the texts; the rows are fp32, so that figures are the same with and without it.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from hashlib import blake2b, sha256
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from mling_embed.encoders.contract import Encoder, PromptRole
from mling_embed.files import cache_root, sha256_of, write_bytes
from mling_embed.training.targets import label_key

logger = logging.getLogger(__name__)

_NO_ROLE = "none"


def vectors_folder() -> Path:
    """Return the folder of all encoders' vectors in the cache."""
    return cache_root() / "vectors"


class KeptVectors:
    """Hold an encoder's vectors of texts in one role, in files that are named by their content.

    A file that is not what its name says is set aside, and its texts are encoded again.

    Args:
        encoder: Whose vectors these are.
        role: Of the texts.
        root: The folder of all encoders.
    """

    def __init__(self, encoder: Encoder, role: PromptRole | None, root: Path) -> None:
        self.folder = root / label_key(encoder)[:32] / (role or _NO_ROLE)
        self._places: dict[bytes, tuple[int, int]] = {}
        self._shards: list[Float32[ndarray, "n dim"]] = []
        for path in sorted(self.folder.glob("*.npz")):
            self._open(path)

    def __contains__(self, text: str) -> bool:
        return _key(text) in self._places

    def of(self, texts: Sequence[str]) -> Float32[ndarray, "n dim"]:
        """Return the vectors of texts that are all here. Shape: (n, dim)."""
        places = [self._places[_key(text)] for text in texts]
        return np.stack([self._shards[shard][row] for shard, row in places])

    def add(self, texts: Sequence[str], rows: Float32[ndarray, "n dim"]) -> None:
        """Keep vectors of texts, in one file that is whole or not there."""
        buffer = io.BytesIO()
        keys = np.frombuffer(b"".join(map(_key, texts)), dtype=np.uint8).reshape(len(texts), -1)
        np.savez(buffer, keys=keys, rows=rows)
        data = buffer.getvalue()
        path = self.folder / f"{sha256(data).hexdigest()}.npz"
        write_bytes(path, data)
        self._take(keys, rows)

    def _open(self, path: Path) -> None:
        if sha256_of(path) != path.stem:
            logger.warning("%s is damaged; set aside, its texts are encoded again", path)
            path.replace(path.with_suffix(".damaged"))
            return
        with np.load(path, allow_pickle=False) as found:
            self._take(found["keys"], found["rows"])

    def _take(self, keys: ndarray, rows: Float32[ndarray, "n dim"]) -> None:
        shard = len(self._shards)
        self._shards.append(rows)
        self._places.update({key.tobytes(): (shard, row) for row, key in enumerate(keys)})


def _key(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
