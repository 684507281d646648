"""Margins of pairs that belong together, and errors among distractors."""

from __future__ import annotations

import numpy as np
import pytest

from mling_embed.errors import UsageError
from mling_embed.metrics.margin import mean_margin
from mling_embed.metrics.xsim import xsim, xsim_errors


def test_by_hand() -> None:
    rows = np.array([[1.0, 0.0], [0.6, 0.8]])
    # Cosines 1 and .6: each side's mean of both is .8, so the ratio of each pair is 1 / .8.
    assert mean_margin(rows, rows) == pytest.approx(1.25)
    assert mean_margin(rows * 4, rows, k=1) == pytest.approx(1.0)


@pytest.mark.usefixtures("unchecked_shapes")
def test_sides_that_differ_in_length() -> None:
    rows = np.eye(2)
    with pytest.raises(UsageError, match="2 sources against 1 targets"):
        mean_margin(rows, rows[:1])


def test_errors_among_distractors() -> None:
    source = np.eye(3)[:2]
    target = np.array([[1.0, 0.0, 0.0], [0.0, 0.6, 0.8], [0.0, 1.0, 0.0]])
    assert xsim_errors(source, target, k=1) == [(1, 2)]
    assert xsim_errors(source, target, target_texts=["a", "b", "b"], k=1) == []
    assert xsim(source, target[:2]) == 0.0
    with pytest.raises(UsageError, match="3 sources against 2 targets"):
        xsim_errors(np.eye(3), np.eye(3)[:2])
