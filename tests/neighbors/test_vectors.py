"""Vectors as they are stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mling_embed.neighbors.vectors import READ_BLOCK, Vectors

STATUS = Path("/proc/self/status")


def mebibytes(name: str) -> float:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


def test_norms_of_every_block() -> None:
    rows = np.random.default_rng(0).standard_normal((2 * READ_BLOCK + 3, 5)).astype(np.float32)
    expected = np.sqrt((rows.astype(np.float64) ** 2).sum(axis=1))
    np.testing.assert_allclose(Vectors.both(rows, rows)[0].norms.numpy(), expected, rtol=1e-14)
    assert len(Vectors.both(rows[:0], rows)[0].norms) == 0


@pytest.mark.skipif(not STATUS.exists(), reason="no /proc")
def test_norms_take_no_memory_that_grows_with_the_vectors() -> None:
    rows = np.ones((40_000, 512), dtype=np.float32)  # 78 MiB
    Vectors.both(rows[:READ_BLOCK], rows[:READ_BLOCK])[0].norms  # noqa: B018  # what torch loads at first
    Path("/proc/self/clear_refs").write_text("5")
    before = mebibytes("VmRSS")
    side = Vectors.both(rows, rows[:1])[0]
    assert len(side.norms) == 40_000
    assert mebibytes("VmHWM") - before < 30
