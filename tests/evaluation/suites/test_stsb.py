"""The STS benchmark and its translations."""

from __future__ import annotations

import os

import numpy as np
import pytest

from mling_embed.evaluation.suites import load_suite

mirrored = pytest.mark.skipif("MLING_EMBED_MIRROR" not in os.environ, reason="MLING_EMBED_MIRROR is not set")


@mirrored
def test_stsb() -> None:
    tasks = {task.label.name: task for task in load_suite("stsb", languages=["de", "ko"])}
    assert list(tasks) == ["en-en", "de-de", "en-de", "ko-ko", "en-ko"]
    assert {len(task.scores) for task in tasks.values()} == {1379}
    across = tasks["en-de"]
    assert (across.sentences1[0], across.sentences2[0], across.scores[0]) == (
        "A girl is styling her hair.",
        "Ein Mädchen bürstet sich die Haare.",
        2.5,
    )
    assert tasks["en-ko"].scores == tasks["en-en"].scores
    np.testing.assert_allclose(tasks["ko-ko"].scores, tasks["en-en"].scores, atol=0.01)
