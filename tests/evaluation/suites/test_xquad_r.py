"""XQuAD-R as one pool."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from mling_embed.evaluation.suites import load_suite

# Candidate sentences, as the data set's own page counts them.
SENTENCES = {"ar": 1222, "de": 1276, "el": 1234, "en": 1180, "es": 1215, "hi": 1244, "ru": 1219, "th": 852, "tr": 1167}
SENTENCES |= {"vi": 1209, "zh": 1196}


@pytest.mark.skipif("MLING_EMBED_MIRROR" not in os.environ, reason="MLING_EMBED_MIRROR is not set")
def test_the_pool() -> None:
    tasks = {task.label.subject: task for task in load_suite("xquad-r")}
    assert list(tasks) == list(SENTENCES)
    german = tasks["de"]
    assert Counter(german.passage_languages.values()) == SENTENCES
    assert len(german.queries) == 1190
    assert german.queries["56beb4343aeaaa14008c925b"] == "Wie viele Punkte gab die Verteidigung der Panthers ab?"
    answers = [german.passages[name] for name in german.right["56beb4343aeaaa14008c925b"]]
    assert len(answers) == 11
    assert all("308" in answer for answer in answers)
    two = load_suite("xquad-r", languages=["de"])
    assert [task.label.languages for task in two] == [("de", "mul"), ("en", "mul")]
    assert len(two[0].passages) == 1276 + 1180
