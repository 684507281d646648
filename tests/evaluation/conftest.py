"""Small true encoders."""

from __future__ import annotations

import zlib
from collections import Counter

import numpy as np
import pytest


class HashedTrigrams:
    """Encode a text as its counts of hashed character trigrams, and remember how often each text was asked for."""

    def __init__(self, dim: int = 256, *, seed: int = 0) -> None:
        self.dim, self.seed = dim, seed
        self.asked: Counter[str] = Counter()

    def encode(self, sentences: list[str]) -> np.ndarray:
        self.asked.update(sentences)
        rows = np.zeros((len(sentences), self.dim), dtype=np.float32)
        for row, text in zip(rows, sentences, strict=True):
            padded = f"  {text.lower()} "
            for start in range(len(padded) - 2):
                row[(zlib.crc32(padded[start : start + 3].encode()) + self.seed) % self.dim] += 1
        return rows


@pytest.fixture
def trigrams() -> HashedTrigrams:
    return HashedTrigrams()


@pytest.fixture
def teacher() -> HashedTrigrams:
    return HashedTrigrams(seed=1)


@pytest.fixture
def small_teacher() -> HashedTrigrams:
    return HashedTrigrams(dim=64)
