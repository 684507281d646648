"""The suites of the uses: how many tasks, and the first texts of one."""

from __future__ import annotations

import os

import pytest

from mling_embed.evaluation.suites import load_suite

pytestmark = pytest.mark.skipif("MLING_EMBED_MIRROR" not in os.environ, reason="MLING_EMBED_MIRROR is not set")


def test_sentiment() -> None:
    tasks = {task.label.name: task for task in load_suite("sentiment", languages=["de", "zh"])}
    assert list(tasks) == ["en-en", "en-de", "en-zh"]
    assert [len(task.train_texts) for task in tasks.values()] == [1839] * 3
    assert [len(task.own_texts) for task in tasks.values()] == [1839, 1839, 0]
    assert (len(tasks["en-zh"].test_texts), tasks["en-zh"].test_labels[0]) == (3000, "negative")
    assert len(load_suite("sentiment")) == 12


def test_sib() -> None:
    tasks = load_suite("sib-200")
    assert [task.label.name for task in tasks[:3]] == ["en-en", "en-ar", "en-cs"]
    assert {(len(task.train_texts), len(task.test_texts)) for task in tasks} == {(701, 204)}
    assert len(set(tasks[0].test_labels)) == 7
    assert all(task.test_labels == tasks[0].test_labels for task in tasks)  # translations, row by row


def test_xcopa() -> None:
    tasks = load_suite("xcopa")
    assert [task.label.languages[0] for task in tasks] == [
        "et",
        "ht",
        "id",
        "it",
        "qu",
        "sw",
        "ta",
        "th",
        "tr",
        "vi",
        "zh",
    ]
    assert (tasks[0].premises[0], tasks[0].first[0], tasks[0].plausible[0]) == (
        "Ese oli mullikilesse mässitud.",
        "See oli õrn.",
        0,
    )
    assert {len(task.premises) for task in tasks} == {500}


def test_quality_estimation() -> None:
    tasks = {task.label.name: task for task in load_suite("mlqe-pe")}
    assert sorted(tasks) == ["en-de", "en-zh", "et-en", "ne-en", "ro-en", "ru-en", "si-en"]
    assert {len(task.scores) for task in tasks.values()} == {1000}
    german = tasks["en-de"]
    assert german.sentences1[0] == "The Sultan appoints judges, and can grant pardons and commute sentences."
    assert german.sentences2[0].startswith("Der Sultan ernennt Richter")
    assert german.scores[0] == pytest.approx(0.34937092778329654)
    assert tasks["et-en"].label.languages == ("et", "en")


def test_dictionaries() -> None:
    tasks = {task.label.name: task for task in load_suite("xling-bli", languages=["de"])}
    assert list(tasks) == ["en-de", "de-en"]
    forth = tasks["en-de"]
    assert 1900 < len(forth.words) <= 2000
    assert all(len(set(entry)) == len(entry) for entry in forth.translations)
    assert len(load_suite("xling-bli")) == 14


def test_question_answering_in_every_pair() -> None:
    tasks = {task.label.name: task for task in load_suite("xquad-r-pairs", languages=["de", "th"])}
    assert sorted(tasks) == ["de-de", "de-en", "de-th", "en-de", "en-en", "en-th", "th-de", "th-en", "th-th"]
    across = tasks["de-en"]
    assert (len(across.queries), len(across.passages)) == (1190, 1180)
    question = "56beb4343aeaaa14008c925b"
    assert across.queries[question] == "Wie viele Punkte gab die Verteidigung der Panthers ab?"
    (answer,) = across.qrels[question]
    assert "308" in across.passages[answer]


def test_summaries() -> None:
    tasks = {task.label.name: task for task in load_suite("summaries", languages=["de", "fr"])}
    assert list(tasks) == ["de-fr", "de-en"]
    berg = tasks["de-fr"]
    assert len(berg.source_documents) == 7
    # The gold begins with [0]:[0]: both first sentences are of bead 0.
    assert (berg.source_beads[0][0], berg.target_beads[0][0]) == (0, 0)
    assert len(tasks["de-en"].source_documents) == 46  # two articles have no paragraph of as many sentences
    assert len(load_suite("summaries")) == 11


def test_flores_sentences() -> None:
    (mining,) = load_suite("mining", languages=["de"])
    assert (len(mining.source_texts), len(mining.target_texts), len(mining.gold)) == (670, 669, 335)
    (shape,) = load_suite("geometry", languages=["de"])
    assert len(shape.source_texts) == 1004
    row, other = mining.gold[1]
    place = shape.source_texts.index(mining.source_texts[row])
    assert shape.target_texts[place] == mining.target_texts[other]
    (changed,) = load_suite("distractors", languages=["de"])
    assert changed.target_texts == shape.target_texts
    assert len(changed.distractors) > 2000
    assert len(load_suite("geometry")) == 17


def test_mixed_languages() -> None:
    (task,) = load_suite("stsb-mixed", languages=["de"])
    assert (task.pairs[:4], len(task.scores)) == (["en-en", "de-de", "de-de", "en-de"], 2 * 1379)
    assert task.scores[0] == task.scores[1]
