"""The results in a model's card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from huggingface_hub import ModelCard
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from mling_embed.encoders.static import StaticEncoder
from mling_embed.evaluation.reporting.card_results import write_card_results
from mling_embed.evaluation.reporting.report import Report
from mling_embed.evaluation.tasks.contract import TaskResult
from mling_embed.evaluation.vectors import Encoded

CARD = "---\nlicense: mit\n---\n\n# A student\n"


def test_results_stand_in_the_card_and_in_its_metadata(results: list[TaskResult], tmp_path: Path) -> None:
    folder = tmp_path / "french" / "model"
    table = np.ones((3, 4), dtype=np.float32)
    StaticEncoder(Tokenizer(WordLevel({"a": 0, "b": 1, "c": 2})), table).save(folder, model_card=CARD)
    report = Report(tuple(results), str(folder), encoded=Encoded(20, 10, 8, 2.0))
    card = ModelCard.load(write_card_results(report, folder))
    assert card.text.startswith("\n# A student\n\n<!-- results -->\n## Results")
    assert "| tatoeba-v1 | xx->en | 200 | this model | – | 0.750 | 0.600 (zh-en) |" in card.text
    assert "| de-en | 100 | 0.900 | 0.826 to 0.945 |" in card.text
    assert "|  |  |  | the teacher, English | 0.820 | – | – |" in card.text
    assert "- 12 parameters, 0.0 MB of weights\n- 4 texts a second, over the 8 that were encoded" in card.text
    assert (card.data.license, card.data.model_name) == ("mit", "french")
    tatoeba = card.data.eval_results[0]
    assert (tatoeba.dataset_type, tatoeba.metric_type, tatoeba.metric_value) == (
        "mteb/tatoeba-bitext-mining",
        "accuracy",
        0.75,
    )


def test_later_results_take_the_place_of_earlier_ones(results: list[TaskResult], tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# Plain\n", encoding="utf-8")
    write_card_results(Report(tuple(results), "m"), tmp_path)
    path = write_card_results(Report(tuple(results[-1:]), "m"), tmp_path)
    text = path.read_text(encoding="utf-8")
    assert "tatoeba" not in text
    assert text.count("## Results") == 1
    assert "speed not measured" in text
    assert write_card_results(Report(tuple(results[-1:]), "m"), tmp_path).read_text(encoding="utf-8") == text


def test_queries_in_the_teachers_index_have_their_row(results: list[TaskResult], tmp_path: Path) -> None:
    crossed = {"de": 0.75, "zh": 0.25}
    found = [
        replace(each, scores=replace(each.scores, figures={**each.figures, "teacher_space_accuracy": share}))
        for each, share in zip(results, crossed.values(), strict=False)
    ]
    text = write_card_results(Report(tuple(found), "m"), tmp_path).read_text(encoding="utf-8")
    assert "|  |  |  | this model's queries in the teacher's index | – | 0.500 | 0.250 (zh-en) |" in text
    assert "| de-en | 100 | 0.900 | 0.826 to 0.945 | 0.750 |" in text
