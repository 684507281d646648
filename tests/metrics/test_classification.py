"""The linear probe and macro F1."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from mling_embed.errors import UsageError
from mling_embed.metrics.classification import linear_probe, macro_f1

LABELS = ["a", "b", "c"]


def test_macro_f1_by_hand() -> None:
    # a: 1 right of 2 answered and 1 asked; b: 1 right of 1 and 2; c: never answered; d: answered, not asked.
    assert macro_f1(["a", "a", "b", "d"], ["a", "b", "b", "c"]) == pytest.approx((2 / 3 + 2 / 3 + 0 + 0) / 4)


def test_parity_with_scikit_learn() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        answers, labels = (random.choice(LABELS, 30).tolist() for _ in range(2))
        assert macro_f1(answers, labels) == pytest.approx(f1_score(labels, answers, average="macro"), abs=1e-12)


def test_the_probe_is_scikit_learns_on_unit_vectors() -> None:
    random = np.random.default_rng(0)
    centers = 2 * np.eye(3, 8)
    labels = random.integers(0, 3, 90)
    rows = (centers[labels] + random.normal(size=(90, 8))).astype(np.float32)
    names = [LABELS[label] for label in labels]
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    expected = LogisticRegression(max_iter=1000).fit(unit[:60], names[:60]).predict(unit[60:]).tolist()
    answers = linear_probe(rows[:60], names[:60], rows[60:])
    assert answers == expected
    assert linear_probe(rows[:60] * 7, names[:60], rows[60:]) == answers
    assert np.mean([one == other for one, other in zip(answers, names[60:], strict=True)]) == 0.9


def test_what_is_refused() -> None:
    with pytest.raises(UsageError, match="2 vectors with 2 labels, 1 different"):
        linear_probe(np.eye(2, dtype=np.float32), ["a", "a"], np.eye(2, dtype=np.float32))
    with pytest.raises(UsageError, match="1 answers to 2 questions"):
        macro_f1(["a"], ["a", "b"])
