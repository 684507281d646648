"""The verb ``distill``: from a teacher and parallel text to a multilingual student."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mling_embed.cli import console
from mling_embed.errors import UsageError

if TYPE_CHECKING:
    from mling_embed.distillation.config import DistillConfig
    from mling_embed.distillation.run import Distilled
    from mling_embed.evaluation.reporting.tables import Table

_NOT_SETTINGS = frozenset(
    {".tsv", ".csv", ".txt", ".jsonl", ".parquet", ".tmx", ".po", ".gz", ".xz", ".bz2", ".zst", ".zip"}
)
REPORT_FILE = "report.html"
_STRANGER = 0.5  # of English sentences that a student has where its teacher has them


def command(
    config: Annotated[Path | None, typer.Argument(help="A TOML file of settings; the flags win over it.")] = None,
    pairs: Annotated[
        list[str] | None, typer.Option(help="A file of pairs, as FILE[:lang]; or A.en,B.de:de. May be repeated.")
    ] = None,
    manifest: Annotated[list[str] | None, typer.Option(help="A known corpus (see data list). May be repeated.")] = None,
    corpus: Annotated[Path | None, typer.Option(help="A folder that `data build` made.")] = None,
    languages: Annotated[
        str | None, typer.Option(help="Keep these alone, such as de,ja,sw; with --extend, the new ones.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run.")] = None,
    teacher: Annotated[str | None, typer.Option(help="A folder, or a name of the Hugging Face hub.")] = None,
    student: Annotated[
        str | None, typer.Option(help="static, transplant, or an encoder to start from: a folder or a name of the hub.")
    ] = None,
    extend: Annotated[
        str | None,
        typer.Option(help="A transformer student that learns the new --languages; others in the data are replayed."),
    ] = None,
    vocabulary: Annotated[int | None, typer.Option(help="Entries of the vocabulary. [default: by the corpus]")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the run.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Any setting, such as fit.epochs=3.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON instead of the table.")] = False,
) -> None:
    """Distil an English encoder into a multilingual one; run again to go on after a stop."""
    from mling_embed.distillation.config import read_config

    if config is not None and config.is_file() and config.suffix.lower() in _NOT_SETTINGS:
        raise UsageError(
            "is no TOML file of settings.", where=config, next_step=f"For pairs, give it as --pairs {config}:LANGUAGE."
        )
    if extend is not None and student is not None:
        raise UsageError("--student and --extend: give one of them.")
    named = languages.split(",") if languages else None
    values: dict[str, Any] = {
        "out": out,
        "seed": seed,
        "teacher": {"name": teacher},
        "data": {
            "pairs": pairs or None,
            "manifests": manifest or None,
            "corpus": corpus,
            "languages": named if extend is None else None,
        },
        "student": {**_student(student, extend, named), "vocabulary_size": vocabulary},
    }
    resolved = read_config(config, values, set_ or [])

    from mling_embed.distillation.run import distill
    from mling_embed.training.distributed import is_main

    began = time.perf_counter()
    with console.progress() as progress:
        done = distill(resolved, progress=progress)
    if is_main():
        _show(done, resolved, began=began, json=json)


def _student(text: str | None, extend: str | None, languages: list[str] | None) -> dict[str, Any]:
    """Return the settings that ``--student``, or ``--extend`` with ``--languages``, stands for."""
    if extend is not None:
        return {"kind": "extended", "name": extend, "new_languages": languages}
    if text is None or text in ("static", "transplant"):
        return {"kind": text} if text else {}
    return {"kind": "pretrained", "name": text}


def _show(done: Distilled, resolved: DistillConfig, *, began: float, json: bool) -> None:
    """Measure the student on the dev split, and print and write what came out."""
    from mling_embed.cli.evaluate import print_tables
    from mling_embed.evaluation.runner import evaluate
    from mling_embed.evaluation.suites.dev import dev_tasks

    page, trained = resolved.out / REPORT_FILE, "save" in done.seconds
    if not trained:
        console.say(f"{resolved.out} is done already: nothing to train. Its figures:")
    with console.progress() as progress:
        measured = evaluate(
            done.student, dev_tasks(done.corpus), teacher=done.teacher, name=str(done.model), progress=progress
        )
    seconds = time.perf_counter() - began
    report = replace(measured, teacher=resolved.teacher.name, seconds=seconds)
    if trained or not page.exists():
        report.write_page(page)
    _warn_of_forgetting(done, resolved.student.new_languages)
    if json:
        record: dict[str, Any] = {"model": done.model, "steps": done.seconds, "seconds": round(seconds, 1)}
        if done.forgetting is not None:
            record["forgetting"] = done.forgetting.record()
        records = report.records()
        tasks, summaries = records[: len(report)], records[len(report) :]
        console.write_json_line({**record, "dev": summaries, "tasks": tasks})
    else:
        print_tables([*report.tables(), *_forgetting_table(done)])
    if report.warning:
        console.say(report.warning)
    if not len(report):
        console.say("warning: the dev split holds no pairs, so that nothing was measured. Raise data.dev_fraction.")
    console.say(f"Model:  {done.model}\nReport: {page}\n{seconds:.0f} s")


def _forgetting_table(done: Distilled) -> list[Table]:
    """Return the table of an extended student's languages before and after, if it is one."""
    from mling_embed.evaluation.reporting.tables import Table

    if done.forgetting is None:
        return []
    header = ("language", "role", "n", "before", "after", "change", "cut otherwise")
    rows = (
        (each.language, each.role.value, each.n, each.before, each.after, each.change, each.changed_share)
        for each in done.forgetting.languages
    )
    return [Table("forgetting", header, tuple(rows))]


def _warn_of_forgetting(done: Distilled, new_languages: Sequence[str]) -> None:
    """Say which new languages have no figure, and whether the student knew the teacher's space at all."""
    from mling_embed.languages import ENGLISH

    if done.forgetting is None:
        return
    before = {each.language: each.before for each in done.forgetting.languages}
    if unmeasured := [language for language in new_languages if language not in before]:
        console.say(f"warning: the dev split holds too little of {', '.join(unmeasured)} to measure it.")
    if before.get(ENGLISH, 1) < _STRANGER:
        console.say(
            f"warning: before, the student found {before[ENGLISH]:.0%} of its own English sentences among the "
            "teacher's vectors: was it made from another teacher? Then old figures rise because it learns a new space."
        )
