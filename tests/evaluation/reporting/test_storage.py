"""Accuracy by dimension and precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mling_embed.encoders.loading import as_encoder
from mling_embed.evaluation.reporting.storage import MOST_SENTENCES, storage_table
from mling_embed.evaluation.runner import evaluate
from mling_embed.evaluation.tasks.bitext import BitextTask
from mling_embed.evaluation.tasks.contract import TaskLabel
from mling_embed.evaluation.vectors import Vectors

# Sentence n of a side: which vector it has. The first 32 numbers tell pairs of two apart, the rest which of the two.
ROWS = {
    f"{side}{n}": np.concatenate([np.eye(32)[n // 2], (1.0 if n % 2 else -1.0) * np.full(32, size)])
    for side, size in (("s", 0.125), ("t", 0.5))
    for n in range(8)
}


class Known:
    """Encode by a table; what else is asked is all the same."""

    dim = 64

    def encode(self, sentences: list[str], **_: Any) -> np.ndarray:
        return np.array([ROWS.get(text, np.ones(64)) for text in sentences], dtype=np.float32)


def task(n: int = 8) -> BitextTask:
    return BitextTask(
        TaskLabel("known", "nl-en", ("nl", "en")), [f"s{row}" for row in range(n)], [f"t{row}" for row in range(n)]
    )


def test_by_hand() -> None:
    report = evaluate(Known(), task())
    assert report.storage is not None
    assert report.storage.header[:4] == ("dimensions", "float32", "int8", "binary")
    whole, short = report.storage.rows
    # Of 64 numbers each sentence finds its own; binary and int8 keep the signs that this takes.
    assert whole == ("64", 1.0, 1.0, 1.0, 256, 64, 8)
    # Of the first 32 two sentences have one vector: half of them find the first of the two.
    assert short == ("32", 0.5, 0.5, 0.5, 128, 32, 4)
    assert "known, accuracy among 8 sentences, mean of nl" in report.storage.title


def test_what_is_not_translation_has_none(trigrams: Any) -> None:
    vectors = Vectors(as_encoder(trigrams), [])
    assert storage_table([], vectors) is None


@pytest.mark.parametrize("n", [MOST_SENTENCES + 1])
def test_it_stays_small(trigrams: Any, n: int) -> None:
    texts = [f"number {row}" for row in range(n)]
    report = evaluate(trigrams, BitextTask(TaskLabel("known", "nl-en", ("nl", "en")), texts, texts))
    assert report.storage is not None
    assert f"among {MOST_SENTENCES} sentences" in report.storage.title
