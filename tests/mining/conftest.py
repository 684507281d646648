"""A small real encoder, and two sides with known translations."""

from __future__ import annotations

from collections.abc import Iterator

import jaxtyping
import numpy as np
import pytest

from mling_embed.encoders.static import StaticEncoder
from mling_embed.tokenizers.vocabulary import train_unigram

WORDS = [f"{a}{b}" for a in ("ba", "ko", "mi", "tu", "re", "sal") for b in ("ran", "del", "fis", "gom", "lup", "nex")]


def sentence(number: int) -> str:
    """Return a sentence of its own for each number: its words are a code of it."""
    drawn = np.random.default_rng(number)
    return " ".join(WORDS[place] for place in drawn.integers(0, len(WORDS), 6)) + f" {number}"


@pytest.fixture(scope="session")
def student(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Save a static encoder with random vectors of words, in which a sentence is like those with the same words."""
    texts = [sentence(number) for number in range(400)]
    tokenizer = train_unigram(texts, size=600)
    table = np.random.default_rng(0).standard_normal((tokenizer.get_vocab_size(), 24), dtype=np.float32)
    folder = tmp_path_factory.mktemp("student") / "model"
    StaticEncoder(tokenizer, table).save(folder, model_card="")
    return str(folder)


def near(vectors: np.ndarray, noise: float, seed: int = 1) -> np.ndarray:
    """Return vectors a little off the given ones: those of translations."""
    moved = vectors + noise * np.random.default_rng(seed).standard_normal(vectors.shape)
    return np.asarray(moved, dtype=np.float32)


@pytest.fixture
def unchecked_types() -> Iterator[None]:
    """Let wrong types through to the library's own errors, as they go outside of the tests."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
