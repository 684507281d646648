"""What holds for every type of task, and what a task refuses."""

from __future__ import annotations

import inspect
import pkgutil
from dataclasses import is_dataclass
from importlib import import_module

import pytest

import mling_embed.evaluation.tasks as package
from mling_embed.errors import DataError
from mling_embed.evaluation.tasks.bitext import BITEXT, BitextTask
from mling_embed.evaluation.tasks.contract import Scores, TaskLabel, TaskResult, TaskType
from mling_embed.evaluation.tasks.retrieval import RetrievalTask
from mling_embed.evaluation.tasks.sts import StsTask

MODULES = [import_module(f"{package.__name__}.{each.name}") for each in pkgutil.iter_modules(package.__path__)]
CLASSES = {
    value
    for module in MODULES
    for value in vars(module).values()
    if inspect.isclass(value) and is_dataclass(value) and isinstance(getattr(value, "type", None), TaskType)
}


def test_every_module_has_its_one_type() -> None:
    assert len(CLASSES) == len(MODULES) - 1
    assert len({each.type.kind for each in CLASSES}) == len(CLASSES)


@pytest.mark.parametrize("task", sorted(CLASSES, key=lambda each: each.__name__))
def test_a_type_is_complete(task: type) -> None:
    kind = task.type
    figures = [column.figure for column in kind.columns]
    assert len(set(figures)) == len(figures)
    assert not kind.teacher_figure or kind.teacher_figure in figures
    assert not kind.mteb_main or kind.mteb_main in figures
    assert set(kind.mteb_names) <= set(figures)
    assert task.__doc__
    for method in ("texts", "teacher_texts", "score"):
        assert callable(getattr(task, method))


@pytest.mark.parametrize(
    ("name", "languages", "subject"),
    [
        ("de-en", ("de", "en"), "de"),
        ("en-de", ("en", "de"), "de"),
        ("en-en", ("en", "en"), "en"),
        ("en-mul", ("en", "mul"), "en"),
        ("de-mul", ("de", "mul"), "de"),
        ("kzj-en", ("dtp", "en"), "kzj-en"),
        ("und-en", ("und", "en"), "und-en"),
        ("news.de", ("de", "en"), "news.de"),
    ],
)
def test_what_a_task_is_about(name: str, languages: tuple[str, ...], subject: str) -> None:
    assert TaskLabel("s", name, languages).subject == subject


def test_a_result_without_its_main_figure_is_refused() -> None:
    result = TaskResult(TaskLabel("s", "x", ("de", "en")), BITEXT, Scores(1, {"f1": 1.0}), "", 0.0)
    with pytest.raises(DataError, match="s x: no accuracy, the main figure of bitext tasks"):
        _ = result.score


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
        RetrievalTask(label, {"p": "x"}, {"q": "y"}, {"q": {"p2": 1}})
    with pytest.raises(DataError, match="judgments of query 'r'"):
        RetrievalTask(label, {"p": "x"}, {"q": "y"}, {"r": {"p": 1}})
    with pytest.raises(DataError, match="0 passages, 1 queries"):
        RetrievalTask(label, {}, {"q": "y"}, {"q": {"p": 1}})
