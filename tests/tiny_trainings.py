"""A training small enough to run in a second: a student of two layers, three languages, random targets."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

N_ROWS = 24
SMALL = {
    "tokens_per_batch": 90,
    "tokens_per_slice": 60,
    "max_steps": 16,
    "bf16": False,
    "contrastive_weight": 0.3,
    "translation_weight": 0.2,
    "learning_rate": 1e-3,
    "embedding_learning_rate": 5e-3,
    "weight_decay": 0.01,
    "warmup_ratio": 0.25,
    "logging_steps": 4,
    "eval_steps": 4,
    "save_steps": 4,
}


def sentences_and_targets() -> tuple[Any, Any]:
    """Make English rows and two languages; the first row is so long that no other shares its batch."""
    from mling_embed.tokenizers.token_bags import TokenBags
    from mling_embed.training.targets import Targets
    from mling_embed.training.training_set import TrainingSet

    random = np.random.default_rng(5)
    rows = np.tile(np.arange(N_ROWS), 3)
    lengths = np.where(rows == 0, 30, random.integers(1, 12, len(rows)))
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    bags = TokenBags(random.integers(5, 90, starts[-1]).astype(np.int32), starts)
    matrix = random.normal(size=(N_ROWS, 32))
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    vectors = matrix.astype(np.float16)
    targets = Targets((vectors,), np.zeros(N_ROWS, dtype=np.int64), np.arange(N_ROWS), 32)
    return TrainingSet(bags, rows, np.repeat(np.arange(3), N_ROWS)), targets


def tiny_training(model: Path, folder: Path, *, changes: dict[str, Any] | None = None, **options: Any) -> Any:
    """Train the student of a folder, and return it with the state that it ended in."""
    from mling_embed.encoders.loading import load_sentence_transformer
    from mling_embed.training.settings import TrainingSettings
    from mling_embed.training.trainer import train

    student = options.pop("student", None) or load_sentence_transformer(model, device="cpu")
    state = train(
        student,
        *sentences_and_targets(),
        settings=TrainingSettings(**{**SMALL, **(changes or {})}),
        folder=folder,
        **{"seed": 3, **options},
    )
    return student, state


@pytest.fixture
def tiny_run(tiny_teacher: Path) -> Callable[..., Any]:
    """Return `tiny_training` with its model."""
    return partial(tiny_training, tiny_teacher)
