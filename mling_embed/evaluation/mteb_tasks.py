"""Our test sets as MTEB's own tasks, so that `mteb.evaluate` measures a model on them, without its hub.

Needs the extra ``mteb``. Bitext and similarity tasks are given, whose measures are the same in both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mling_embed.errors import UsageError
from mling_embed.evaluation.reporting.mteb_json import mteb_language
from mling_embed.evaluation.tasks.bitext import BITEXT, BitextTask
from mling_embed.evaluation.tasks.contract import Task
from mling_embed.evaluation.tasks.sts import STS, StsTask

if TYPE_CHECKING:
    from mteb.abstasks import AbsTask

_KINDS = {BITEXT.kind: ("BitextMining", "f1"), STS.kind: ("STS", "cosine_spearman")}


def mteb_tasks(tasks: Iterable[Task]) -> list[AbsTask]:
    """Return an MTEB task for each suite and kind among the tasks; its subsets are our tasks, by name.

    Args:
        tasks: Bitext and similarity tasks, of any number of suites.

    Raises:
        UsageError: MTEB is not installed, or a task is of a kind that it measures in another way.
    """
    groups: dict[tuple[str, str], list[Task]] = {}
    for task in tasks:
        if task.type.kind not in _KINDS:
            raise UsageError(f"{task.type.kind} tasks are measured in another way by MTEB.", where=str(task.label))
        groups.setdefault((task.label.suite, task.type.kind), []).append(task)
    return [_mteb_task(suite, kind, members) for (suite, kind), members in groups.items()]


def _columns(task: Task) -> dict[str, Sequence[Any]]:
    if isinstance(task, BitextTask):
        return {"sentence1": task.source_texts, "sentence2": task.target_texts}
    if isinstance(task, StsTask):
        return {"sentence1": task.sentences1, "sentence2": task.sentences2, "score": task.scores}
    raise UsageError(f"{task.type.kind} tasks have no columns that MTEB knows.", where=str(task.label))


def _mteb_task(suite: str, kind: str, members: Sequence[Task]) -> AbsTask:
    try:
        from mteb.abstasks.sts import AbsTaskSTS
        from mteb.abstasks.task_metadata import TaskMetadata
        from mteb.abstasks.text.bitext_mining import AbsTaskBitextMining
    except ImportError:
        raise UsageError("MTEB is not installed.", next_step="pip install 'mling-embed[mteb]'") from None
    type_, main = _KINDS[kind]
    splits = sorted({task.label.split for task in members})
    base: Any = AbsTaskBitextMining if kind == BITEXT.kind else AbsTaskSTS
    metadata = TaskMetadata(
        name=suite,
        description=f"{suite}, as mling_embed reads it from its files.",
        dataset={"path": suite, "revision": members[0].label.revision or "unknown"},
        type=type_,
        category="t2t",
        eval_splits=splits,
        eval_langs={task.label.name: [mteb_language(each) for each in task.label.languages] for task in members},
        main_score=main,
    )
    made: type[AbsTask] = type(
        "LocalTask", (base,), {"metadata": metadata, "load_data": _loader(members), "__doc__": metadata.description}
    )
    return made()


def _loader(members: Sequence[Task]) -> Any:
    """Return the method that gives an MTEB task our texts instead of the hub's."""

    def load_data(self: Any, **_: Any) -> None:
        from datasets import Dataset

        subsets: dict[str, Mapping[str, Dataset]] = {}
        for task in members:
            subsets[task.label.name] = {task.label.split: Dataset.from_dict(_columns(task))}
        if kinds := [task for task in members if isinstance(task, StsTask)]:
            scores = [score for task in kinds for score in task.scores]
            self.min_score, self.max_score = min(scores), max(scores)
        self.dataset = subsets
        self.data_loaded = True

    return load_data
