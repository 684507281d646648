"""The runner."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy.stats

from mling_embed.encoders.contract import PromptRole
from mling_embed.encoders.foreign import ForeignEncoder
from mling_embed.encoders.loading import as_encoder
from mling_embed.errors import UsageError
from mling_embed.evaluation.runner import evaluate
from mling_embed.evaluation.tasks.bitext import BitextTask
from mling_embed.evaluation.tasks.contract import TaskLabel
from mling_embed.evaluation.tasks.retrieval import RetrievalTask
from mling_embed.evaluation.tasks.sts import StsTask
from mling_embed.evaluation.vectors import Vectors

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
    {"p1": "water is cold in winter", "p2": "the cat sleeps all day"},
    {"q1": "is het water koud", "q2": "de kat slaapt goed"},
    {"q1": {"p1": 1}, "q2": {"p2": 1}},
)


def test_every_figure(trigrams: Any) -> None:
    bitext, sts, search = evaluate(trigrams, [BITEXT, STS, SEARCH])
    # Rows 1 and 3 have one English text: the lower row is found for both, so one hit is of the text alone.
    assert (bitext.score, bitext.figures["safe_accuracy"], bitext.n) == (0.75, 1.0, 4)
    assert bitext.interval == pytest.approx(scipy.stats.binomtest(3, 4).proportion_ci(method="wilson"))
    assert bitext.scores.outcomes["safe_accuracy"] == (1.0, 1.0, 1.0, 1.0)
    assert bitext.figures["xsim"] == 0.0
    assert bitext.figures["teacher_space_accuracy"] is None
    cosines = [cosine(trigrams, a, b) for a, b in zip(STS.sentences1, STS.sentences2, strict=True)]
    assert sts.score == pytest.approx(scipy.stats.spearmanr(cosines, STS.scores).statistic)
    assert sts.interval is not None
    assert sts.interval.low <= sts.score <= sts.interval.high
    assert [search.figures[name] for name in ("ndcg_at_10", "mrr", "recall_at_1", "recall_at_10")] == [1.0] * 4
    assert (search.interval, search.scores.outcomes["mrr"]) == ((1.0, 1.0), (1.0, 1.0))
    assert all(result.seconds > 0 for result in (bitext, sts, search))


def cosine(encoder: Any, first: str, second: str) -> float:
    one, other = encoder.encode([first, second])
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def test_each_text_is_encoded_once_by_each_encoder(trigrams: Any, teacher: Any) -> None:
    evaluate(trigrams, [*TASKS, BITEXT], teacher=teacher)
    texts = {text for task in TASKS for _, part in task.texts() for text in part}
    assert {text: trigrams.asked[text] for text in texts} == dict.fromkeys(texts, 1)
    english = {text for task in TASKS for _, part in task.teacher_texts() for text in part}
    assert {text: teacher.asked[text] for text in texts} == {text: int(text in english) for text in texts}
    assert not english & set(DUTCH)


TASKS = (BITEXT, STS, CROSS, SEARCH)


def test_a_text_is_encoded_in_its_role(trigrams: Any) -> None:
    class Prompted(ForeignEncoder):
        def encode(self, texts: Any, *, role: Any = None, done: Any = None) -> np.ndarray:
            rows = [[len(text), {None: 0, "query": 1, "passage": 2}[role]] for text in texts]
            return np.asarray(rows, dtype=np.float32)

    vectors = Vectors(
        Prompted(trigrams), [(None, ["ab"]), (PromptRole.QUERY, ["ab"]), (PromptRole.PASSAGE, ["abc", "ab"])]
    )
    assert vectors.of(["ab"]).tolist() == [[2, 0]]
    assert vectors.of(["ab"], role=PromptRole.QUERY).tolist() == [[2, 1]]
    assert vectors.of(["ab", "abc"], role=PromptRole.PASSAGE).tolist() == [[2, 2], [3, 2]]
    assert [role for role, _ in SEARCH.texts()] == [PromptRole.PASSAGE, PromptRole.QUERY]


def test_the_teacher_stands_beside(trigrams: Any, teacher: Any) -> None:
    bitext, sts, cross, search = evaluate(trigrams, TASKS, teacher=trigrams)
    assert bitext.figures["teacher_space_accuracy"] == bitext.score
    assert cross.figures["teacher_english_spearman"] == sts.figures["teacher_english_spearman"] == sts.score
    assert search.figures["teacher_space_ndcg_at_10"] == 1.0
    assert search.figures["teacher_english_ndcg_at_10"] is None
    # Another space: what the student retrieves in it is not what it retrieves in its own.
    (other,) = evaluate(trigrams, BITEXT, teacher=teacher)
    assert other.score == bitext.score
    assert other.figures["teacher_space_accuracy"] == 0.25


def test_english_questions_are_the_teachers_own(trigrams: Any) -> None:
    label = TaskLabel("mini-qa", "en-en", ("en", "en"))
    english = RetrievalTask(label, SEARCH.passages, {"q1": "cold water", "q2": "cat"}, SEARCH.qrels)
    results = evaluate(trigrams, [SEARCH, english], teacher=trigrams)
    assert [result.figures["teacher_english_ndcg_at_10"] for result in results] == [1.0, 1.0]


def test_a_teacher_of_other_dimensions(trigrams: Any, small_teacher: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        bitext, sts = evaluate(trigrams, [BITEXT, STS], teacher=small_teacher)
    assert bitext.figures["teacher_space_accuracy"] is None
    assert sts.figures["teacher_english_spearman"] is not None
    assert "teacher and student have 64 and 256 dimensions" in caplog.text


def test_progress_ends_at_its_total(trigrams: Any) -> None:
    seen: list[tuple[str, int, int | None]] = []
    evaluate(trigrams, [BITEXT], progress=lambda *step: seen.append(step))
    assert seen == [("encoding", 7, 7), ("scoring", 1, 1)]


def test_suites_by_name_and_tasks_together(trigrams: Any) -> None:
    report = evaluate(trigrams, ["phrasebook", BITEXT], languages=["deu"], name="trigrams")
    assert [str(result.label) for result in report] == [
        "phrasebook de-en", "phrasebook-sts en-en", "phrasebook-sts de-de", "phrasebook-sts en-de",
        "phrasebook-qa en-en", "phrasebook-qa de-en", "mini nl-en",
    ]  # fmt: skip
    assert (report.model, report.teacher) == ("trigrams", "")
    assert evaluate(trigrams, BITEXT).model == "HashedTrigrams"
    with pytest.raises(UsageError, match=r"no tasks 'phrasebok'\. Did you mean phrasebook\?"):
        evaluate(trigrams, "phrasebok")


def test_a_folder_is_loaded(tiny_teacher: Path) -> None:
    report = evaluate(tiny_teacher, BITEXT, teacher=str(tiny_teacher))
    assert (report.model, report.teacher) == (str(tiny_teacher), str(tiny_teacher))
    assert report.results[0].figures["teacher_space_accuracy"] == report.results[0].score


def test_the_signature_says_what_a_figure_depends_on(trigrams: Any) -> None:
    def signature(task: Any, encoder: Any = trigrams) -> str:
        return evaluate(encoder, task).results[0].signature

    first = signature(BITEXT)
    assert first.startswith("task:mini/nl-en/test|data:")
    assert re.search(
        r"\|data:[0-9a-f]{64}\|model:[0-9a-f]{64}\|version:[\d.]+\|metric:accuracy\|precision:fp32\|nn:cosine\|xsim:ratio,k4$",
        first,
    )
    assert "\n" not in first
    assert signature(BitextTask(BITEXT.label, tuple(DUTCH), tuple(ENGLISH))) == first
    assert signature(BitextTask(BITEXT.label, [*DUTCH[:3], "x"], ENGLISH)) != first
    again = {
        signature(task) for task in (STS, StsTask(STS.label, STS.sentences1, STS.sentences2, [5.0, 4.0, 0.0, 4.0]))
    }
    assert len(again) == 2
    hostile = BitextTask(BITEXT.label, ["lone \ud800 surrogate", "NUL\0"], ["a", "b\u2028c"])
    assert len(signature(hostile, SimpleNamespace(encode=lambda texts: np.ones((len(texts), 2)))).split("|")) == 8


def test_errors_of_encoders() -> None:
    short = SimpleNamespace(encode=lambda texts: np.ones((len(texts), 2))[:6])
    with pytest.raises(UsageError, match=r"array of shape \(6, 2\) for 7 texts"):
        evaluate(short, [BITEXT])
    broken = SimpleNamespace(encode=lambda texts: np.full((len(texts), 2), np.nan))
    with pytest.raises(UsageError, match="not finite for 'de kat slaapt'"):
        evaluate(broken, [BITEXT])
    collapsed = SimpleNamespace(encode=lambda texts: np.ones((len(texts), 2)))
    with pytest.raises(UsageError, match="mini-sts en-en: the encoder gives every pair the same similarity"):
        evaluate(collapsed, [STS])
    with pytest.raises(UsageError, match=r"a object is no encoder: it has no encode\(texts\)"):
        evaluate(object(), [BITEXT])


def test_hostile_texts_have_vectors(trigrams: Any) -> None:
    hostile = ["", "a", "x" * 10_000, "NUL\0", "lone\rCR", "line\u2028end", "ع\u200dב", "e\u0301"]
    vectors = Vectors(as_encoder(trigrams), [(None, hostile)])
    assert vectors.of(hostile[::-1]).shape == (8, 256)
    assert len(vectors) == 8
