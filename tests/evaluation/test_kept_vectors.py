"""Vectors that are kept for the next evaluation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mling_embed.encoders.contract import PromptRole
from mling_embed.encoders.loading import load
from mling_embed.evaluation.vectors import Vectors

TEXTS = ["the station", "where is it", "the station"]


def test_a_text_is_encoded_once(tiny_teacher: Path, tmp_path: Path) -> None:
    encoder = load(tiny_teacher, device="cpu")
    first = Vectors(encoder, [(None, TEXTS)], keep=tmp_path)
    assert first.encoded[:3] == (3, 2, 2)
    again = Vectors(encoder, [(None, ["the market", *TEXTS])], keep=tmp_path)
    assert again.encoded[:3] == (4, 3, 1)
    np.testing.assert_array_equal(again.of(TEXTS), first.of(TEXTS))
    query = Vectors(encoder, [(PromptRole.QUERY, TEXTS)], keep=tmp_path)
    assert query.encoded.computed == 2  # another role, another prompt


def test_a_damaged_file_is_set_aside(tiny_teacher: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    encoder = load(tiny_teacher, device="cpu")
    first = Vectors(encoder, [(None, TEXTS)], keep=tmp_path)
    (path,) = tmp_path.rglob("*.npz")
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    again = Vectors(encoder, [(None, TEXTS)], keep=tmp_path)
    assert again.encoded.computed == 2
    np.testing.assert_array_equal(again.of(TEXTS), first.of(TEXTS))
    assert "is damaged; set aside" in caplog.text
    assert [each.suffix for each in sorted(path.parent.iterdir())].count(".damaged") == 1
