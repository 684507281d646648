"""The mining sets that benchmarks read, and vectors of their sentences, encoded once and kept in the cache.

The sets lie in ``mining-news`` of the shared data, in the form of BUCC (``de-en.de``, ``de-en.en``: ids and texts;
``de-en.gold``). ``$MLING_EMBED_BENCH_MODELS`` names the encoders: ``e5=FOLDER,static=FOLDER``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from conditions_file import data_folder

from mling_embed.encoders.contract import Encoder, PromptRole
from mling_embed.encoders.loading import as_encoder
from mling_embed.engines.array_store import ArrayStore, key_of_parts
from mling_embed.errors import UsageError
from mling_embed.files import cache_root

SETS, MODELS_VARIABLE = "mining-news", "MLING_EMBED_BENCH_MODELS"
PIECE = 1024  # texts that are encoded and kept together


class KeptVectors:
    """Encode texts by an encoder, and keep their vectors from run to run.

    Args:
        encoder: Encodes what the cache does not hold.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self._store = ArrayStore(cache_root() / "benchmarks" / "vectors")
        self._known: dict[str, np.ndarray] = {}

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return the vectors of texts, encoded as queries, in pieces of those that are new."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        for start in range(0, len(new), PIECE):
            piece = new[start : start + PIECE]
            key = key_of_parts(self.encoder.fingerprint, self.encoder.precision, PromptRole.QUERY, *piece)
            if (kept := self._store.get(key)) is None:
                kept = {"vectors": self.encoder.encode(piece, role=PromptRole.QUERY)}
                self._store.put(key, kept)
            self._known.update(zip(piece, kept["vectors"], strict=True))
        return np.stack([self._known[text] for text in texts])


def encoders() -> dict[str, KeptVectors]:
    """Return the encoders that the environment names, by their names.

    Raises:
        UsageError: It names none.
    """
    words = os.environ.get(MODELS_VARIABLE, "")
    pairs = [word.partition("=")[::2] for word in words.split(",") if word]
    if not pairs or not all(name and folder for name, folder in pairs):
        raise UsageError(f"${MODELS_VARIABLE} is '{words}', expected 'name=folder,name=folder'.")
    return {name: KeptVectors(as_encoder(folder)) for name, folder in pairs}


def rows_of(language: str, side: str) -> tuple[list[str], list[str]]:
    """Return the ids and the texts of a side (``de`` or ``en``) of a language's set."""
    text = set_file(language, side).read_text(encoding="utf-8")
    cells = [line.split("\t", 1) for line in text.split("\n") if line]
    return [name for name, _ in cells], [text.strip() for _, text in cells]


def set_file(language: str, suffix: str) -> Path:
    """Return a file of a language's set."""
    return data_folder() / SETS / f"{language}-en.{suffix}"
