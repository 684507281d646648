"""The whole small path on a GPU: every kind of student is made there, and gives the same vectors on a processor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import mling_embed as me
from mling_embed.evaluation.suites.dev import dev_tasks

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")]

PAIRS = [
    (f"It is the station number {n} of the town.", f"Das ist der Bahnhof Nummer {n} der Stadt.", "de")
    for n in range(200)
]
SETTINGS = {
    "data": {"decontaminate": False, "dev_fraction": 0.2},
    "fit": {"epochs": 2},
    "train": {"max_steps": 4, "eval_steps": 2},
}


@pytest.mark.parametrize("kind", ["static", "transplant", "pretrained"])
def test_a_student_is_made_and_measured_on_a_gpu(
    kind: str, tiny_teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLING_EMBED_HOME", str(tmp_path / "home"))
    student = str(tiny_teacher) if kind == "pretrained" else kind
    settings = SETTINGS if kind == "pretrained" else {**SETTINGS, "student": {"vocabulary_size": 1024}}
    made = me.distill(tiny_teacher, PAIRS, out=tmp_path / "run", student=student, device="cuda", settings=settings)
    report = me.evaluate(made.student, list(dev_tasks(made.corpus)), teacher=made.teacher)
    assert len(report) == 1
    texts = [german for _, german, _ in PAIRS[:5]]
    there, here = (me.load(made.model, device=device).encode(texts) for device in ("cuda", "cpu"))
    np.testing.assert_allclose(there, here, atol=2e-2)  # bf16 there
