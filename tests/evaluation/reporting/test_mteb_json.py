"""Files in MTEB's shape."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mling_embed.evaluation.reporting.mteb_json import mteb_results, write_mteb_files
from mling_embed.evaluation.tasks.contract import TaskResult


def test_mteb_files(results: list[TaskResult], tmp_path: Path) -> None:
    paths = write_mteb_files(results, tmp_path)
    assert [path.name for path in paths] == ["tatoeba-v1.json", "stsb-multi-mt.json", "qa.json"]
    tatoeba = json.loads(paths[0].read_text())
    assert set(tatoeba) == {"dataset_revision", "task_name", "mteb_version", "evaluation_time", "scores"}
    assert tatoeba["dataset_revision"] == "abc"
    assert tatoeba["evaluation_time"] == 3.0
    german, chinese = tatoeba["scores"]["test"]
    assert german["hf_subset"] == "de-en"
    assert german["languages"] == ["deu-Latn", "eng-Latn"]
    assert chinese["languages"] == ["zho-Hans", "eng-Latn"]
    assert german["main_score"] == german["f1"] == pytest.approx(0.85)
    assert "teacher_space_accuracy" not in german
    english = json.loads(paths[1].read_text())["scores"]["test"][0]
    assert english["main_score"] == english["cosine_spearman"] == 0.8
    assert mteb_results(results[-1:])[0]["scores"]["test"][0]["main_score"] == 0.9


def test_mteb_files_of_unknown_languages_and_odd_suites(
    bitext_result: Callable[..., TaskResult], tmp_path: Path
) -> None:
    result = bitext_result("und", 1, n=2, suite="dev/my news", split="dev")
    (path,) = write_mteb_files([result], tmp_path)
    assert path.name == "dev-my-news.json"
    assert json.loads(path.read_text())["scores"]["dev"][0]["languages"] == ["und", "eng-Latn"]
