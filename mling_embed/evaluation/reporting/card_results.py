"""The results in a model's card: what it reaches by language, beside its teacher, its size, and how fast it encodes."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from mling_embed.evaluation.reporting.eval_results import HUB_SETS
from mling_embed.evaluation.reporting.headline import headlines
from mling_embed.evaluation.reporting.report import Report
from mling_embed.evaluation.reporting.tables import by_table, mean_of
from mling_embed.evaluation.tasks.contract import TaskResult, foreign
from mling_embed.files import write_text
from mling_embed.hardware import processor_name

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCardData

CARD_FILE = "README.md"
_BEGIN, _END = "<!-- results -->", "<!-- /results -->"
_PART = re.compile(re.escape(_BEGIN) + ".*?" + re.escape(_END), re.DOTALL)
_STUDENT, _ASYMMETRIC, _TEACHER = "this model", "this model's queries in the teacher's index", "the teacher, English"
_SAFE = "*.safetensors"
_IN_A_RUN = "model"  # a folder's name that says nothing


def write_card_results(report: Report, folder: Path) -> Path:
    """Write the results of a model into the card in its folder, in place of those of an earlier evaluation.

    They stand in the text, and, the mean of each test set, in the metadata as the hub's ``model-index``.

    Args:
        report: Of the model.
        folder: The model's.

    Returns:
        The card.
    """
    from huggingface_hub import ModelCard

    path = folder / CARD_FILE
    # A card without metadata is one too; the library would warn of it.
    logging.getLogger("huggingface_hub.repocard").setLevel(logging.ERROR)
    card = ModelCard(path.read_text(encoding="utf-8") if path.is_file() else "")
    part = f"{_BEGIN}\n{results_markdown(report, folder)}{_END}"
    text = card.text if _PART.search(card.text) else f"{card.text.rstrip()}\n\n{part}\n"
    card.text = _PART.sub(lambda _: part, text)
    place = folder.absolute()
    data = cast("ModelCardData", card.data)
    data.model_name = data.model_name or (place.parent.name if place.name == _IN_A_RUN else place.name)
    data.eval_results = _eval_results(report.results)
    write_text(path, str(card))
    return path


def results_markdown(report: Report, folder: Path) -> str:
    """Return the part of the card: at a glance, by language, size and speed."""
    parts = ["## Results", _glance(report.results)]
    for title, members in by_table(report.results).items():
        parts += [f"### {title}", _by_task(members)]
    parts += ["## Size and speed", _size_and_speed(report, folder)]
    signed = [result.signature for result in report.results if result.signature]
    if signed:
        parts.append(f"Signature of the first: `{signed[0]}`")
    return "\n\n".join(parts) + "\n"


def _glance(results: Sequence[TaskResult]) -> str:
    """Return three rows a test set: the model, its queries in the teacher's index, the teacher in English."""
    rows = []
    for found, members in zip(headlines(results), by_table(results).values(), strict=True):
        type_, others = members[0].type, foreign(members)
        first = (found.title, found.figure, str(found.n))
        rows.append((*first, _STUDENT, _cell(found.english), _cell(found.mean), f"{found.worst:.3f} ({found.which})"))
        crossed = [member for member in others if member.figures.get(type_.asymmetric_figure) is not None]
        if crossed:
            worst = min(crossed, key=lambda member: member.figures[type_.asymmetric_figure] or 0.0)
            value = worst.figures[type_.asymmetric_figure]
            mean = _cell(mean_of(crossed, type_.asymmetric_figure))
            rows.append(("", "", "", _ASYMMETRIC, "–", mean, f"{_cell(value)} ({worst.label.name})"))
        teacher = next((member.figures.get(type_.teacher_figure) for member in members), None)
        if teacher is not None:
            rows.append(("", "", "", _TEACHER, _cell(teacher), "–", "–"))
    return _markdown(("test set", "figure", "n", "who", "English", "other languages", "worst"), rows)


def _by_task(members: Sequence[TaskResult]) -> str:
    crossed = members[0].type.asymmetric_figure
    asymmetric = any(member.figures.get(crossed) is not None for member in members)
    header = ("task", "n", _STUDENT, "95% interval", *([_ASYMMETRIC] if asymmetric else []))
    rows = []
    for member in members:
        bounds = "–" if member.interval is None else f"{member.interval.low:.3f} to {member.interval.high:.3f}"
        row = (member.label.name, str(member.n), _cell(member.score), bounds)
        rows.append((*row, _cell(member.figures.get(crossed))) if asymmetric else row)
    return _markdown(header, rows)


def _size_and_speed(report: Report, folder: Path) -> str:
    weights = sorted(folder.rglob(_SAFE))
    megabytes = sum(path.stat().st_size for path in weights) / 1e6
    size = f"- {sum(map(_parameters, weights)):,} parameters, {megabytes:,.1f} MB of weights"
    if report.encoded is None or not report.encoded.computed or not report.encoded.seconds:
        return f"{size}\n- speed not measured: the vectors were kept from earlier (`--no-cache` measures it)"
    speed = report.encoded.computed / report.encoded.seconds
    return (
        f"{size}\n- {speed:,.0f} texts a second, over the {report.encoded.computed:,} that were encoded for these "
        f"results, on {processor_name()} ({os.cpu_count()} cores)"
    )


def _parameters(path: Path) -> int:
    from math import prod

    from safetensors import safe_open

    with safe_open(path, framework="np") as file:
        return sum(prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118


def _eval_results(results: Sequence[TaskResult]) -> list[EvalResult]:
    """Return an entry for each test set: the mean of its tasks beside English."""
    from huggingface_hub import EvalResult

    return [
        EvalResult(
            task_type=members[0].type.kind,
            dataset_type=HUB_SETS.get(members[0].label.suite, members[0].label.suite),
            dataset_name=found.title,
            dataset_split=members[0].label.split,
            dataset_revision=members[0].label.revision or None,
            metric_type=members[0].type.main,
            metric_name=f"mean of {len(foreign(members))} tasks, n={found.n}",
            metric_value=round(found.mean, 6),
        )
        for found, members in zip(headlines(results), by_table(results).values(), strict=True)
    ]


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
