"""Results as the hub reads them."""

from __future__ import annotations

from pathlib import Path

import yaml
from huggingface_hub import parse_eval_result_entries

from mling_embed.evaluation.reporting.eval_results import write_eval_results
from mling_embed.evaluation.tasks.contract import TaskResult


def test_a_file_for_each_suite_that_the_hub_has(results: list[TaskResult], tmp_path: Path) -> None:
    paths = write_eval_results(results, tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in paths] == [
        ".eval_results/tatoeba-v1.yaml",
        ".eval_results/stsb-multi-mt.yaml",
    ]
    entries = parse_eval_result_entries(yaml.safe_load(paths[0].read_text()))
    assert [(entry.dataset_id, entry.task_id, entry.value) for entry in entries] == [
        ("mteb/tatoeba-bitext-mining", "de-en", 85.0),
        ("mteb/tatoeba-bitext-mining", "zh-en", 55.0),
    ]
    assert entries[0].notes == "f1, n=100, task:tatoeba-v1 de-en"
    assert len(yaml.safe_load(paths[1].read_text())) == 5
