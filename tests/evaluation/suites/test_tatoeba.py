"""LASER's Tatoeba test."""

from __future__ import annotations

import os

import pytest

from mling_embed.errors import UsageError
from mling_embed.evaluation.suites import load_suite

mirrored = pytest.mark.skipif("MLING_EMBED_MIRROR" not in os.environ, reason="MLING_EMBED_MIRROR is not set")


@mirrored
def test_tatoeba() -> None:
    tasks = load_suite("tatoeba")
    assert len(tasks) == 112
    assert len({task.label.name for task in tasks}) == 112
    german = load_suite("tatoeba", languages=["deu"])
    assert [str(task.label) for task in german] == ["tatoeba-v1 de-en"]
    assert len(german[0].source_texts) == 1000
    assert german[0].source_texts[0] == "Maria sagte, sie wisse nicht, wo Tom sei."
    assert german[0].target_texts[0] == "Mary said she didn't know where Tom was."
    assert german[0].label.revision == "74bc6ae7ffb7cba670fe0f428d0ede9f666fb821"
    with pytest.raises(UsageError, match="'tatoeba' have none in zu"):
        load_suite("tatoeba", languages=["de", "zu"])
