"""Least squares of token vectors against a dense solution."""

from __future__ import annotations

import numpy as np
import pytest

from mling_embed.students.token_least_squares import least_squares_table
from mling_embed.tokenizers.token_bags import TokenBags

N_TOKENS, N_SENTENCES, DIM = 30, 120, 8


@pytest.mark.parametrize("penalty", [0.1, 3.0])
def test_it_is_the_ridge_regression_of_centred_directions(penalty: float) -> None:
    random = np.random.default_rng(0)
    lengths = random.integers(1, 7, N_SENTENCES)
    bags = TokenBags(random.integers(0, N_TOKENS, lengths.sum()).astype(np.int32), np.append(0, np.cumsum(lengths)))
    targets = random.normal(size=(40, DIM)) + 2.0
    rows = random.integers(0, 40, N_SENTENCES)
    counts = np.zeros((N_SENTENCES, N_TOKENS + 2))
    for sentence in range(N_SENTENCES):
        for token in bags.ids[bags.starts[sentence] : bags.starts[sentence + 1]]:
            counts[sentence, token] += 1
    directions = targets / np.linalg.norm(targets, axis=1, keepdims=True)
    wanted = (directions - directions[np.unique(rows)].mean(axis=0))[rows]
    expected = np.linalg.solve(counts.T @ counts + penalty * np.eye(N_TOKENS + 2), counts.T @ wanted)
    told: list[tuple[str, int, int | None]] = []
    found = least_squares_table(
        bags, rows, targets, N_TOKENS + 2, steps=60, penalty=penalty, progress=lambda *step: told.append(step)
    )
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert not found[N_TOKENS:].any()  # no sentence holds them
    assert [step for step in told if step[1] == step[2]] == [("least squares", 60, 60)]  # the end is told once
