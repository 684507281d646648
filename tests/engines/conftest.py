"""A small real encoder, and two sides of files to mine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mling_embed.encoders.static import StaticEncoder
from mling_embed.tokenizers.vocabulary import train_unigram

WORDS = [f"{a}{b}" for a in ("ba", "ko", "mi", "tu", "re", "sal") for b in ("ran", "del", "fis", "gom", "lup", "nex")]


def sentence(number: int) -> str:
    """Return a sentence of its own for each number."""
    drawn = np.random.default_rng(number)
    return " ".join(WORDS[place] for place in drawn.integers(0, len(WORDS), 6)) + f" {number}"


@pytest.fixture(scope="session")
def student(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Save a static encoder with random vectors of words."""
    tokenizer = train_unigram([sentence(number) for number in range(400)], size=600)
    table = np.random.default_rng(0).standard_normal((tokenizer.get_vocab_size(), 24), dtype=np.float32)
    folder = tmp_path_factory.mktemp("student") / "model"
    StaticEncoder(tokenizer, table).save(folder, model_card="")
    return str(folder)


@pytest.fixture
def sides(tmp_path: Path) -> Path:
    """Write two sides of three files each."""
    for language, shift in (("de", 0), ("en", 60)):
        (tmp_path / language).mkdir()
        for part in range(3):
            numbers = range(part * 100 + shift, part * 100 + shift + 100)
            (tmp_path / language / f"{part}.{language}").write_text("\n".join(map(sentence, numbers)) + "\n")
    return tmp_path
