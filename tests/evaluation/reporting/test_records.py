"""Records: the form of a line of JSON."""

from __future__ import annotations

import pytest

from mling_embed.evaluation.reporting.records import KEYS, result_records
from mling_embed.evaluation.tasks.contract import TaskResult


def test_every_record_has_every_key(results: list[TaskResult]) -> None:
    records = result_records(results, model="m")
    assert {tuple(record) for record in records} == {KEYS}
    assert len(records) == len(results) + 6


def test_a_result(results: list[TaskResult]) -> None:
    record = result_records(results, model="runs/first/model")[0]
    assert record == {
        "suite": "tatoeba-v1",
        "task": "de-en",
        "kind": "bitext",
        "split": "test",
        "languages": ["de", "en"],
        "model": "runs/first/model",
        "n": 100,
        "metric": "accuracy",
        "score": 0.9,
        "low": record["low"],
        "high": record["high"],
        "figures": dict(results[0].figures),
        "signature": "task:tatoeba-v1 de-en",
    }
    assert (record["low"], record["high"]) == results[0].interval
    questions = result_records(results[-1:], model="m")
    assert [(each["score"], each["low"], each["high"]) for each in questions] == [(0.9, None, None)]


def test_mean_and_worst(results: list[TaskResult]) -> None:
    mean, worst, within, *_ = result_records(results, model="m")[len(results) :]
    assert (mean["suite"], mean["task"], mean["n"], mean["score"]) == ("tatoeba-v1", "mean", 200, 0.75)
    assert (worst["task"], worst["n"], worst["languages"], worst["score"]) == ("worst", None, ["zh", "en"], 0.6)
    assert (mean["figures"]["xsim"], worst["figures"]["xsim"]) == (20.0, 30.0)
    assert mean["figures"]["teacher_space_accuracy"] is None
    assert [mean[key] for key in ("low", "high", "languages", "signature")] == [None] * 4
    # English beside itself is in neither.
    assert (within["suite"], within["n"]) == ("stsb-multi-mt within a language", 100)
    assert within["score"] == pytest.approx(0.65)
