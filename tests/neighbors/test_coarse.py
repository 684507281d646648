"""Coarse scores and the bound of their error."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mling_embed import hardware
from mling_embed.neighbors.coarse import CoarsePass, Precision, fastest_precision
from mling_embed.neighbors.scoring import inner_products
from mling_embed.neighbors.vectors import Vectors


def sides(seed: int, dim: int, scale: float) -> tuple[Vectors, Vectors]:
    rng = np.random.default_rng([seed, dim])
    left = rng.standard_normal((9, dim)) * rng.uniform(0.1, 3, (9, 1)) * scale
    return Vectors.both(left.astype(np.float32), rng.standard_cauchy((7, dim)).astype(np.float32))


@settings(max_examples=60)
@given(st.integers(0, 1000), st.integers(1, 200), st.sampled_from([1e-6, 1.0, 1e6]), st.sampled_from(list(Precision)))
def test_no_coarse_score_is_further_off_than_its_radius(
    seed: int, dim: int, scale: float, precision: Precision
) -> None:
    left, right = sides(seed, dim, scale)
    coarse = CoarsePass.of(left, right, precision)
    room = torch.empty(63, dtype=coarse.scores_dtype)
    found = coarse.multiply(coarse.rows(0, 9), coarse.columns(0, 7), room).double().numpy()
    exact = inner_products(left, right, *(each.ravel() for each in np.indices((9, 7)))).reshape(9, 7)
    error = np.abs(found - exact)
    assert (error <= coarse.left_radius.numpy()[:, None]).all()
    assert (error <= coarse.right_radius.numpy()[None, :]).all()


def test_the_bound_by_hand() -> None:
    # 1 + 2^-9 lies between two bf16 numbers; it is rounded to 1, so that a row loses 2^-9.
    row = np.array([[1 + 2**-9]], dtype=np.float32)
    coarse = CoarsePass.of(*Vectors.both(row, np.ones((1, 1), dtype=np.float32)), Precision.BF16)
    # The loss times the other's norm, and output rounding of 2^-8 of the product of norms; sums add little.
    expected = 2**-9 + 2**-8 * (1 + 2**-9 + 2**-9)
    assert coarse.left_radius.tolist() == [pytest.approx(expected, rel=1e-3)]
    exact = CoarsePass.of(*Vectors.both(row, row), Precision.FP32)
    assert exact.left_radius.tolist() == [pytest.approx(2 * 2 * 2**-24 * (1 + 2**-9) ** 2, rel=1e-3)]


def test_the_format_follows_the_hardware_and_the_norms(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = Vectors.both(np.ones((1, 2)), np.ones((1, 2)))
    monkeypatch.setenv(hardware.PROCESSOR_VARIABLE, hardware.PLAIN)
    assert fastest_precision(*usual) is Precision.FP32
    monkeypatch.setattr("mling_embed.neighbors.coarse.native_bf16", lambda device: device == "cpu")
    assert fastest_precision(*usual) is Precision.BF16
    for extreme in (1e20, 1e-20):
        assert fastest_precision(*Vectors.both(np.ones((1, 2)), np.full((1, 2), extreme))) is Precision.FP64
    assert fastest_precision(*Vectors.both(np.ones((1, 2)), np.zeros((1, 2)))) is Precision.BF16


def test_a_caller_that_allows_less_than_fp32_is_not_heard() -> None:
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        left, right = sides(1, 64, 1.0)
        coarse = CoarsePass.of(left, right, Precision.FP32)
        coarse.multiply(coarse.rows(0, 9), coarse.columns(0, 7), torch.empty(63))
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
