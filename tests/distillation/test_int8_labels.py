"""A teacher's labels through int8: when they are, and when the teacher makes them itself."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from mling_embed.distillation import int8_labels
from mling_embed.distillation.int8_labels import MANY, exact, labeller_of
from mling_embed.encoders.exports.exported import ExportedEncoder
from mling_embed.encoders.loading import load
from mling_embed.encoders.precision import Precision
from mling_embed.errors import UsageError
from mling_embed.metrics.confidence import Interval
from mling_embed.training.targets import TargetStore


def test_labels_go_through_int8_where_little_is_lost(
    tiny_teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("MLING_EMBED_HOME", str(tmp_path))
    teacher, name = load(tiny_teacher, device="cpu", precision=Precision.FP32), str(tiny_teacher)
    for wanted, missing in ((Precision.FP32, MANY), (Precision.BF16, MANY), (Precision.AUTO, MANY - 1)):
        assert labeller_of(teacher, name, wanted=wanted, missing=missing) is teacher
    assert labeller_of(teacher, name, wanted=Precision.INT8, missing=0) is teacher
    assert not (tmp_path / "exports").exists()
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(int8_labels, "LEAST_COSINE", 1.1)  # no export comes as near
    assert labeller_of(teacher, name, wanted=Precision.AUTO, missing=MANY) is teacher
    assert "int8 would lose too much" in caplog.text
    asked = labeller_of(teacher, name, wanted=Precision.INT8, missing=1)
    assert isinstance(asked, ExportedEncoder)
    assert "though it loses much" in caplog.text
    monkeypatch.setattr(int8_labels, "LEAST_COSINE", 0.9)
    monkeypatch.setattr(int8_labels, "MOST_STS_LOSS", 1.0)
    export = labeller_of(teacher, name, wanted=Precision.AUTO, missing=MANY)
    assert isinstance(export, ExportedEncoder)
    assert export.exported_from == teacher.fingerprint
    texts = ["the station", "the dog", "the station"]
    store = TargetStore(export)
    assert store.missing(texts) == 2
    np.testing.assert_allclose(store.compute(texts).matrix(), export.encode(texts), atol=1e-3)
    assert store.missing(texts) == 0
    assert store.folder != TargetStore(teacher).folder


def _given(loss: tuple[float, Interval], *_: object) -> tuple[float, Interval]:
    return loss


def test_a_loss_counts_beyond_chance(
    tiny_teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("MLING_EMBED_HOME", str(tmp_path))
    monkeypatch.setattr(int8_labels, "LEAST_COSINE", 0.9)
    caplog.set_level(logging.INFO)
    teacher, name = load(tiny_teacher, device="cpu", precision=Precision.FP32), str(tiny_teacher)
    for loss, interval, taken in (
        (0.02, (-0.01, 0.05), True),
        (0.02, (0.01, 0.03), False),
        (0.004, (0.001, 0.007), True),
    ):
        monkeypatch.setattr(int8_labels, "sts_loss", partial(_given, (loss, Interval(*interval))))
        found = labeller_of(teacher, name, wanted=Precision.AUTO, missing=MANY)
        assert (found is not teacher) == taken
    assert "STS loss +0.0200 (+0.0100 to +0.0300)" in caplog.text


def test_int8_is_asked_of_transformers_alone() -> None:
    from mling_embed.encoders.loading import as_encoder

    class Lengths:
        def encode(self, texts: list[str]) -> list[list[float]]:
            return [[float(len(text)), 1.0] for text in texts]

    other = as_encoder(Lengths())
    assert labeller_of(other, "lengths", wanted=Precision.AUTO, missing=MANY) is other
    with pytest.raises(UsageError, match="no transformer"):
        labeller_of(other, "lengths", wanted=Precision.INT8, missing=1)
    assert exact(Precision.INT8) is Precision.FP32
    assert exact(Precision.AUTO) is Precision.AUTO
