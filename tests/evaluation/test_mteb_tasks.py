"""Our test sets, measured by MTEB itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mling_embed.encoders.loading import as_encoder
from mling_embed.errors import UsageError
from mling_embed.evaluation.mteb_tasks import mteb_tasks
from mling_embed.evaluation.reporting.mteb_json import mteb_results
from mling_embed.evaluation.runner import evaluate
from mling_embed.evaluation.suites import load_suite

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # MTEB's own
    pytest.mark.slow,
]


def test_it_agrees_with_us(tiny_teacher: Path, tmp_path: Path) -> None:
    mteb = pytest.importorskip("mteb")
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(tiny_teacher), device="cpu")
    tasks = [task for task in load_suite("phrasebook", languages=["de", "fr"]) if task.type.kind != "retrieval"]
    theirs: dict[tuple[str, str], Any] = {}
    found = mteb.evaluate(model, mteb_tasks(tasks), cache=None, prediction_folder=None)
    for result in found.task_results:
        for scores in result.scores.values():
            theirs |= {(result.task_name, each["hf_subset"]): each for each in scores}
    report = evaluate(as_encoder(model), tasks)
    ours = {
        (record["task_name"], each["hf_subset"]): each
        for record in mteb_results(report.results)
        for scores in record["scores"].values()
        for each in scores
    }
    assert set(ours) == set(theirs)
    assert len(ours) > 4
    for place, mine in ours.items():
        for name in ("main_score", "accuracy", "f1", "cosine_spearman", "cosine_pearson"):
            if name in mine:
                assert mine[name] == pytest.approx(theirs[place][name], abs=1e-6), (place, name)
        assert mine["languages"] == theirs[place]["languages"]


def test_other_kinds_are_refused() -> None:
    questions = [task for task in load_suite("phrasebook", languages=["de"]) if task.type.kind == "retrieval"]
    with pytest.raises(UsageError, match="retrieval tasks are measured in another way by MTEB"):
        mteb_tasks(questions)
