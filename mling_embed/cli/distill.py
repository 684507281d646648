"""The verb ``distill``: from a teacher and parallel text to a multilingual student."""

from __future__ import annotations

import difflib
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
    from mling_embed.evaluation.reporting.kept import KeptReport
    from mling_embed.evaluation.reporting.tables import Table
    from mling_embed.students.forgetting import Forgetting

REPORT_FILE = "report.html"
FIGURES_FILE = "figures.json"
_OWN_KINDS = ("static", "transplant")
_STRANGER = 0.5  # of English sentences that a student has where its teacher has them

Monolingual = Annotated[
    list[str] | None, typer.Option(help="A file of sentences without translations, as FILE:fi. May be repeated.")
]
English = Annotated[
    list[Path] | None, typer.Option(help="A file of English sentences: all that an encoder to start from needs.")
]
MonolingualTeacher = Annotated[
    str | None,
    typer.Option(
        help="Labels those and the vocabulary: a multilingual encoder in the teacher's space. [default: the teacher]"
    ),
]


def command(
    config: Annotated[Path | None, typer.Argument(help="A TOML file of settings; the flags win over it.")] = None,
    pairs: Annotated[
        list[str] | None, typer.Option(help="A file of pairs, as FILE[:lang]; or A.en,B.de:de. May be repeated.")
    ] = None,
    monolingual: Monolingual = None,
    monolingual_teacher: MonolingualTeacher = None,
    manifest: Annotated[list[str] | None, typer.Option(help="A known corpus (see data list). May be repeated.")] = None,
    english: English = None,
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
    fast: Annotated[
        bool, typer.Option("--fast", help="Of an encoder to start from: fit its head and stop, in minutes.")
    ] = False,
    seed: Annotated[int | None, typer.Option(help="Seed of the run.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Any setting, such as fit.epochs=3.")] = None,
    allow_rejects: Annotated[
        bool, typer.Option("--allow-rejects", help="Go on though an input lost over nine tenths of its rows.")
    ] = False,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or mps. [default: the best there is]")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each task, mean and worst.")] = False,
) -> None:
    """Distil an English encoder into a multilingual one; run again to go on after a stop."""
    from mling_embed.distillation.config import read_config

    _refuse_pairs(config)
    if extend is not None and student is not None:
        raise UsageError("--student and --extend: give one of them.")
    _require_out(config, out, set_ or ())
    named = languages.split(",") if languages else None
    values: dict[str, Any] = {
        "out": out,
        "seed": seed,
        "device": device,
        "teacher": {"name": teacher, "monolingual": monolingual_teacher},
        "data": {
            "pairs": pairs or None,
            "monolingual": monolingual or None,
            "manifests": manifest or None,
            "english": english or None,
            "corpus": corpus,
            "languages": named if extend is None else None,
            "allow_rejects": allow_rejects or None,
        },
        "student": {**_student(student, extend, named), "vocabulary_size": vocabulary},
        "train": {"max_steps": 0 if fast else None},
    }
    _run(read_config(config, values, set_ or []), json=json)


def _run(config: DistillConfig, *, json: bool) -> None:
    from mling_embed.distillation.run import run
    from mling_embed.training.distributed import is_main

    began = time.perf_counter()
    with console.progress() as progress:
        done = run(config, tell=console.say if is_main() else _quiet, progress=progress)
    if is_main():
        _show(done, began=began, json=json)


def _refuse_pairs(config: Path | None) -> None:
    """Refuse a file of pairs where one of settings is expected."""
    if config is not None and config.is_file() and config.suffix.lower() != ".toml":
        raise UsageError(
            "is no TOML file of settings.", where=config, next_step=f"For pairs, give it as --pairs {config}:LANGUAGE."
        )


def _require_out(config: Path | None, out: Path | None, settings: Sequence[str]) -> None:
    """Refuse a run without a folder."""
    if config is None and out is None and not any(setting.startswith("out=") for setting in settings):
        raise UsageError("no folder to write to.", next_step="Give --out DIR, such as --out runs/first.")


def _quiet(_line: str) -> None:
    """Let the main process talk."""


def _student(text: str | None, extend: str | None, languages: list[str] | None) -> dict[str, Any]:
    """Return the settings that ``--student``, or ``--extend`` with ``--languages``, stands for."""
    if extend is not None:
        return {"kind": "extended", "name": extend, "new_languages": languages}
    if text is None or text in _OWN_KINDS:
        return {"kind": text} if text else {}
    near = difflib.get_close_matches(text, _OWN_KINDS, n=1, cutoff=0.75)
    if near and not Path(text).exists():
        raise UsageError(f"--student {text}: no kind of student.", next_step=f"Did you mean {near[0]}?")
    return {"kind": "pretrained", "name": text}


def _show(done: Distilled, *, began: float, json: bool) -> None:
    """Print what the run reached: measured now, or kept from when it was."""
    from mling_embed.cli.evaluate import print_tables
    from mling_embed.evaluation.reporting.kept import KeptReport

    out = done.config.out
    kept = None if done.trained else KeptReport.read(out / FIGURES_FILE)
    if not done.trained:
        console.say(f"{out} is done already: nothing to train. Its figures:")
    if kept is None:
        kept = _measured(done)
        kept.write(out / FIGURES_FILE)
    if json:
        for record in kept.records:
            console.write_json_line(record)
    else:
        print_tables(kept.tables)
    for warning in kept.warnings:
        console.say(warning)
    console.say(f"Model:  {done.model}\nReport: {out / REPORT_FILE}\n{time.perf_counter() - began:.0f} s")


def _measured(done: Distilled) -> KeptReport:
    """Measure the student on the dev split, write the page, and complete the model's card."""
    from mling_embed.distillation.receipt import renew_receipt
    from mling_embed.evaluation.reporting.card_results import write_card_results
    from mling_embed.evaluation.reporting.html import write_report
    from mling_embed.evaluation.reporting.kept import KeptReport
    from mling_embed.evaluation.runner import evaluate
    from mling_embed.evaluation.suites.dev import dev_tasks

    with console.progress() as progress:
        report = evaluate(
            done.student, list(dev_tasks(done.corpus)), teacher=done.teacher, name=str(done.model), progress=progress
        )
    learned = {"Learned from": done.terms}
    write_report(replace(report.page(), facts=learned), done.config.out / REPORT_FILE)
    renew_receipt(done.model, write_card_results(report, done.model).name)
    warnings = [report.warning] if report.warning else []
    if not len(report):
        warnings.append("warning: the dev split holds no pairs, so that nothing was measured. Raise data.dev_fraction.")
    records, tables = report.records(), report.tables()
    if done.forgetting is not None:
        warnings += _forgetting_warnings(done.forgetting, done.config.student.new_languages)
        records += _forgetting_records(done.forgetting, str(done.model))
        tables.append(_forgetting_table(done.forgetting))
    return KeptReport(records, tables, warnings)


def _forgetting_table(forgetting: Forgetting) -> Table:
    """Return the table of an extended student's languages before and after."""
    from mling_embed.evaluation.reporting.tables import Table

    header = ("language", "role", "n", "before", "after", "change", "cut otherwise")
    rows = (
        (each.language, each.role.value, each.n, each.before, each.after, each.change, each.changed_share)
        for each in forgetting.languages
    )
    return Table("forgetting", header, tuple(rows))


def _forgetting_records(forgetting: Forgetting, model: str) -> list[dict[str, Any]]:
    """Return a record of each language before and after, with the keys of a task's."""
    from mling_embed.evaluation.reporting.records import KEYS

    shared = dict.fromkeys(KEYS) | {"suite": "forgetting", "split": "dev", "model": model, "metric": "accuracy"}
    return [
        shared
        | {
            "task": each.language,
            "kind": each.role.value,
            "languages": [each.language],
            "n": each.n,
            "score": each.after,
            "figures": {"before": each.before, "change": each.change, "changed_share": each.changed_share},
        }
        for each in forgetting.languages
    ]


def _forgetting_warnings(forgetting: Forgetting, new_languages: Sequence[str]) -> list[str]:
    """Say which new languages have no figure, and whether the student knew the teacher's space at all."""
    from mling_embed.languages import ENGLISH

    warnings, before = [], {each.language: each.before for each in forgetting.languages}
    if unmeasured := [language for language in new_languages if language not in before]:
        warnings.append(f"warning: the dev split holds too little of {', '.join(unmeasured)} to measure it.")
    if before.get(ENGLISH, 1) < _STRANGER:
        warnings.append(
            f"warning: before, the student found {before[ENGLISH]:.0%} of its own English sentences among the "
            "teacher's vectors: was it made from another teacher? Then old figures rise because it learns a new space."
        )
    return warnings
