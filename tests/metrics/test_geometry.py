"""Shapes of two sides: hubness, alignment, uniformity, singular values, CKA."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from mling_embed.errors import UsageError
from mling_embed.metrics.geometry import alignment, hubness, hubness_of, linear_cka, singular_value_gap, uniformity

ROWS = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)


def test_hubness_by_hand() -> None:
    found = hubness_of(np.array([0, 0, 1, 7]))
    # Mean 2, variance (4 + 4 + 1 + 25) / 4 = 8.5, third moment (-8 - 8 - 1 + 125) / 4 = 27.
    assert found.skewness == pytest.approx(27 / 8.5**1.5)
    assert (found.antihubs, found.robin_hood) == (0.5, pytest.approx((2 + 2 + 1 + 5) / 16))
    # Gini: (2 * (1 * 0 + 2 * 0 + 3 * 1 + 4 * 7) - 5 * 8) / (4 * 8)
    assert found.gini == pytest.approx((2 * 31 - 40) / 32)
    assert hubness_of(np.array([2, 2, 2])) == (0.0, 0.0, 0.0, 0.0)
    with pytest.raises(UsageError, match="nothing was retrieved"):
        hubness_of(np.array([0, 0]))


def test_hubness_of_vectors() -> None:
    unit = ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)
    nearest = np.argsort(-(unit[:10] @ unit[10:].T), axis=1)[:, :3]
    times = np.bincount(nearest.reshape(-1), minlength=30)
    assert hubness(ROWS[:10] * 3, ROWS[10:], k=3).skewness == pytest.approx(scipy.stats.skew(times), abs=1e-9)


def test_alignment_and_uniformity_by_hand() -> None:
    right, up = np.array([[2.0, 0.0], [0.0, 3.0]]), np.array([[0.0, 1.0], [0.0, 1.0]])
    assert alignment(right, up) == pytest.approx((2 + 0) / 2)
    assert uniformity(right) == pytest.approx(-4)  # one pair, at a squared distance of 2
    assert uniformity(up) == pytest.approx(0.0)
    with pytest.raises(UsageError, match="1 vectors: expected two"):
        uniformity(up[:1])


def test_parity_with_the_code_of_wang_and_isola() -> None:
    torch = pytest.importorskip("torch")
    unit = torch.nn.functional.normalize(torch.from_numpy(ROWS).double())
    expected = torch.pdist(unit, p=2).pow(2).mul(-2).exp().mean().log().item()
    assert uniformity(ROWS) == pytest.approx(expected, abs=1e-6)
    expected = (unit[:20] - unit[20:]).norm(p=2, dim=1).pow(2).mean().item()
    assert alignment(ROWS[:20], ROWS[20:]) == pytest.approx(expected, abs=1e-6)


def test_a_rotation_changes_no_shape() -> None:
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0].astype(np.float32)
    assert singular_value_gap(ROWS, ROWS @ rotation) == pytest.approx(0.0, abs=1e-9)
    assert linear_cka(ROWS, ROWS @ rotation) == pytest.approx(1.0, abs=1e-6)


def test_parity_with_the_definition_by_kernels() -> None:
    one, other = ROWS[:20], ROWS[20:, :4]
    kernels = []
    for side in (one, other):
        unit = side.astype(np.float64) / np.linalg.norm(side, axis=1, keepdims=True)
        centering = np.eye(20) - 1 / 20
        kernels.append(centering @ unit @ unit.T @ centering)
    hsic = [np.trace(kernels[a] @ kernels[b]) for a, b in ((0, 1), (0, 0), (1, 1))]
    assert linear_cka(one, other) == pytest.approx(hsic[0] / math.sqrt(hsic[1] * hsic[2]), abs=1e-6)


def test_singular_values_by_hand() -> None:
    one = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    # Singular values: sqrt(2) twice; of the other side 2, and none.
    other = np.array([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    assert singular_value_gap(one, other) == pytest.approx((math.log(2) / 2) ** 2)
    with pytest.raises(UsageError, match="have no shape"):
        linear_cka(one, np.ones((4, 2)))


@pytest.mark.usefixtures("unchecked_shapes")
def test_sides_that_differ_in_length() -> None:
    with pytest.raises(UsageError, match="40 vectors against 3"):
        singular_value_gap(ROWS, ROWS[:3])
