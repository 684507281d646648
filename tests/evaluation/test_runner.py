"""The runner."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy.stats

from mling_embed.errors import DataError, UsageError
from mling_embed.evaluation.runner import Vectors, evaluate
from mling_embed.evaluation.tasks.results import BitextResult, RetrievalResult, StsResult, result_record
from mling_embed.evaluation.tasks.tasks import BitextTask, RetrievalTask, StsTask, TaskLabel

ENGLISH = ["the cat sleeps", "a red house", "water is cold", "a red house"]
DUTCH = ["de kat slaapt", "een rood huis", "water is koud", "het rode huis"]
BITEXT = BitextTask(TaskLabel("mini", "nl-en", ("nl", "en")), DUTCH, ENGLISH)
STS = StsTask(
    TaskLabel("mini-sts", "en-en", ("en", "en")),
    ["a red house", "a dog barks", "water is cold", "the cat sleeps"],
    ["a red house", "a dog barked", "the cat sleeps", "the cats sleep"],
    [5.0, 4.0, 0.0, 4.5],
)
CROSS = StsTask(
    TaskLabel("mini-sts", "en-nl", ("en", "nl")), STS.sentences1, ["rood huis", "hond", "kat", "kat"], STS.scores
)
SEARCH = RetrievalTask(
    TaskLabel("mini-qa", "nl-en", ("nl", "en")),
    {"p1": "water is cold in winter", "p2": "the cat sleeps"},
    {"q1": "is het water koud", "q2": "de kat slaapt"},
    {"q1": {"p1": 1.0}, "q2": {"p2": 1.0}},
)


def test_every_figure(trigrams: Any) -> None:
    bitext, sts, search = evaluate(trigrams, [BITEXT, STS, SEARCH])
    assert isinstance(bitext, BitextResult)
    # Rows 1 and 3 have one English text: the lower row is found for both, so one hit is of the text alone.
    assert (bitext.scores.forward.hits, bitext.scores.forward.safe_hits, bitext.n) == (3, 4, 4)
    assert bitext.score == 0.75
    assert bitext.xsim == 0.0
    assert bitext.teacher_space is None
    assert isinstance(sts, StsResult)
    cosines = [cosine(trigrams, a, b) for a, b in zip(STS.sentences1, STS.sentences2, strict=True)]
    assert sts.spearman == pytest.approx(scipy.stats.spearmanr(cosines, STS.scores).statistic)
    assert sts.interval.low <= sts.spearman <= sts.interval.high
    assert isinstance(search, RetrievalResult)
    assert (search.ndcg_at_10, search.mrr, search.recall_at_1, search.recall_at_10) == (1.0, 1.0, 1.0, 1.0)
    assert all(result.seconds > 0 for result in (bitext, sts, search))


def cosine(encoder: Any, first: str, second: str) -> float:
    one, other = encoder.encode([first, second])
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def test_each_text_is_encoded_once_by_each_encoder(trigrams: Any, teacher: Any) -> None:
    evaluate(trigrams, [BITEXT, STS, CROSS, SEARCH, BITEXT], teacher=teacher)
    assert set(trigrams.asked.values()) == set(teacher.asked.values()) == {1}
    assert set(trigrams.asked) == {text for task in (BITEXT, STS, CROSS, SEARCH) for text in task.texts()}
    assert not set(teacher.asked) & set(DUTCH)


def test_the_teacher_stands_beside(trigrams: Any, teacher: Any) -> None:
    bitext, sts, cross, search = evaluate(trigrams, [BITEXT, STS, CROSS, SEARCH], teacher=trigrams)
    assert bitext.teacher_space == bitext.scores
    assert cross.teacher_english == sts.teacher_english == sts.spearman
    assert search.teacher_space_ndcg_at_10 == 1.0
    assert search.teacher_english_ndcg_at_10 is None
    # Another space: what the student retrieves in it is not what it retrieves in its own.
    other = evaluate(trigrams, [BITEXT], teacher=teacher)[0]
    assert other.scores == bitext.scores
    assert other.teacher_space.forward.hits < other.scores.forward.hits


def test_english_questions_are_the_teachers_own(trigrams: Any) -> None:
    label = TaskLabel("mini-qa", "en-en", ("en", "en"))
    english = RetrievalTask(label, SEARCH.passages, {"q1": "cold water", "q2": "cat"}, SEARCH.qrels)
    results = evaluate(trigrams, [SEARCH, english], teacher=trigrams)
    assert [result.teacher_english_ndcg_at_10 for result in results] == [1.0, 1.0]


def test_a_teacher_of_other_dimensions(trigrams: Any, small_teacher: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        bitext, sts = evaluate(trigrams, [BITEXT, STS], teacher=small_teacher)
    assert bitext.teacher_space is None
    assert sts.teacher_english is not None
    assert "teacher and student have 64 and 256 dimensions" in caplog.text


def test_progress_ends_at_its_total(trigrams: Any) -> None:
    seen: list[tuple[str, int, int | None]] = []
    evaluate(trigrams, [BITEXT], progress=lambda *step: seen.append(step))
    assert seen == [("encoding", 7, 7), ("scoring", 1, 1)]


def test_records_are_flat(trigrams: Any) -> None:
    record = result_record(evaluate(trigrams, [BITEXT])[0])
    assert record["suite"] == "mini"
    assert record["languages"] == ["nl", "en"]
    assert record["accuracy"] == 0.75
    assert record["teacher_space_accuracy"] is None


def test_errors_of_encoders() -> None:
    flat = SimpleNamespace(encode=lambda texts: np.ones(len(texts)))
    with pytest.raises(UsageError, match=r"array of shape \(7,\) for 7 texts"):
        evaluate(flat, [BITEXT])
    broken = SimpleNamespace(encode=lambda texts: np.full((len(texts), 2), np.nan))
    with pytest.raises(UsageError, match="not finite for 'de kat slaapt'"):
        evaluate(broken, [BITEXT])
    collapsed = SimpleNamespace(encode=lambda texts: np.ones((len(texts), 2)))
    with pytest.raises(UsageError, match="mini-sts en-en: the encoder gives every pair the same similarity"):
        evaluate(collapsed, [STS])


def test_hostile_texts_have_vectors(trigrams: Any) -> None:
    hostile = ["", "a", "x" * 10_000, "NUL\0", "lone\rCR", "line\u2028end", "ع\u200dב", "e\u0301"]
    vectors = Vectors(trigrams, hostile)
    assert vectors.of(hostile[::-1]).shape == (8, 256)
    assert len(vectors) == 8


def test_tasks_check_themselves() -> None:
    label = TaskLabel("mini", "x", ("nl", "en"))
    with pytest.raises(DataError, match="mini x: 2 source sentences and 1 target sentences"):
        BitextTask(label, ["a", "b"], ["c"])
    with pytest.raises(DataError, match="0 source sentences and 0 target"):
        BitextTask(label, [], [])
    with pytest.raises(DataError, match="columns of 1, 1 and 2 rows"):
        StsTask(label, ["a"], ["b"], [1.0, 2.0])
    with pytest.raises(DataError, match="2 pairs without two different scores"):
        StsTask(label, ["a", "b"], ["b", "c"], [1.0, 1.0])
    with pytest.raises(DataError, match="not a finite number"):
        StsTask(label, ["a", "b"], ["b", "c"], [1.0, float("nan")])
    with pytest.raises(DataError, match="query 'q' wants passage 'p2', which is not there"):
        RetrievalTask(label, {"p": "x"}, {"q": "y"}, {"q": {"p2": 1.0}})
    with pytest.raises(DataError, match="judgments of query 'r'"):
        RetrievalTask(label, {"p": "x"}, {"q": "y"}, {"r": {"p": 1.0}})
    with pytest.raises(DataError, match="0 passages, 1 queries"):
        RetrievalTask(label, {}, {"q": "y"}, {"q": {"p": 1.0}})
