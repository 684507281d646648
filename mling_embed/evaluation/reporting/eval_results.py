"""Results as the hub reads them from a model's folder: ``.eval_results/<suite>.yaml``."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

from mling_embed.evaluation.tasks.contract import TaskResult
from mling_embed.files import write_text

FOLDER = ".eval_results"
# Suites that are sets of the hub; others have no page there that results could stand on.
HUB_SETS = {
    "tatoeba-v1": "mteb/tatoeba-bitext-mining",
    "stsb-multi-mt": "PhilipMay/stsb_multi_mt",
    "sib-200": "Davlan/sib200",
    "xcopa": "cambridgeltl/xcopa",
    "xquad-r": "google-research-datasets/xquad_r",
}


def write_eval_results(results: Sequence[TaskResult], folder: Path) -> list[Path]:
    """Write a file for each suite that the hub has, an entry for each task, and return the files.

    The value is what MTEB calls the main score, times 100; the note says the figure, n, and the signature that
    reproduces it.
    """
    import yaml
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    suites: dict[str, list[TaskResult]] = {}
    for result in results:
        if result.label.suite in HUB_SETS:
            suites.setdefault(result.label.suite, []).append(result)
    paths = []
    for suite, members in suites.items():
        entries = [
            EvalResultEntry(
                dataset_id=HUB_SETS[suite],
                task_id=result.label.name,
                value=round(100 * _main(result), 4),
                notes=f"{result.type.mteb_main or result.type.main}, n={result.n}, {result.signature}",
            )
            for result in members
        ]
        path = folder / FOLDER / f"{re.sub(r'[^A-Za-z0-9._-]+', '-', suite)}.yaml"
        write_text(path, yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False, allow_unicode=True))
        paths.append(path)
    return paths


def _main(result: TaskResult) -> float:
    value = result.figures.get(result.type.mteb_main or result.type.main)
    return math.nan if value is None else value
