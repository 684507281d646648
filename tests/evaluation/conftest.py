"""Small true encoders, and results to report."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mling_embed.evaluation.tasks.bitext import BITEXT
from mling_embed.evaluation.tasks.contract import Scores, TaskLabel, TaskResult
from mling_embed.evaluation.tasks.retrieval import RETRIEVAL
from mling_embed.evaluation.tasks.sts import STS
from mling_embed.metrics.confidence import Interval, wilson_interval


class HashedTrigrams:
    """Encode a text as its counts of hashed character trigrams, and remember how often each text was asked for."""

    def __init__(self, dim: int = 256, *, seed: int = 0) -> None:
        self.dim, self.seed = dim, seed
        self.asked: Counter[str] = Counter()

    def encode(self, sentences: str | list[str], **_: Any) -> np.ndarray:
        if isinstance(sentences, str):
            return self.encode([sentences])[0]
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


def bitext(
    language: str, hits: int, *, n: int = 100, xsim: float = 10.0, other: str = "en", **label: str
) -> TaskResult:
    named = TaskLabel(label.pop("suite", "tatoeba-v1"), f"{language}-{other}", (language, other), **label)
    figures = {
        "accuracy": hits / n,
        "reverse_accuracy": hits / n,
        "safe_accuracy": (hits + 1) / n,
        "reverse_safe_accuracy": (hits + 1) / n,
        "f1": hits / n - 0.05,
        "xsim": xsim,
        "teacher_space_accuracy": None,
        "teacher_space_reverse_accuracy": None,
    }
    return TaskResult(named, BITEXT, Scores(n, figures, wilson_interval(hits, n)), f"task:{named}", 1.5)


def sts(first: str, second: str, spearman: float) -> TaskResult:
    label = TaskLabel("stsb-multi-mt", f"{first}-{second}", (first, second))
    figures = {"spearman": spearman, "teacher_english_spearman": 0.82}
    return TaskResult(label, STS, Scores(50, figures, Interval(spearman - 0.1, spearman + 0.1)), "task:x", 0.5)


def questions() -> TaskResult:
    figures = {
        "ndcg_at_10": 0.9,
        "mrr": 0.8,
        "recall_at_1": 0.7,
        "recall_at_10": 1.0,
        "teacher_space_ndcg_at_10": None,
        "teacher_english_ndcg_at_10": 0.95,
    }
    return TaskResult(TaskLabel("qa", "de-en", ("de", "en")), RETRIEVAL, Scores(40, figures), "task:qa", 0.1)


@pytest.fixture
def bitext_result() -> Callable[..., TaskResult]:
    """Return a maker of results: of a language, and the sentences found."""
    return bitext


@pytest.fixture
def results() -> list[TaskResult]:
    """Return results of two languages and every type."""
    return [
        bitext("de", 90, revision="abc"),
        bitext("zh", 60, xsim=30.0, revision="abc"),
        sts("en", "en", 0.8),
        sts("de", "de", 0.7),
        sts("zh", "zh", 0.6),
        sts("en", "de", 0.65),
        sts("en", "zh", 0.5),
        questions(),
    ]
