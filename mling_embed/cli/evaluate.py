"""The verb ``evaluate``: measure an encoder on every kind of task that there is."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mling_embed.cli import console
from mling_embed.cli.evaluation_tasks import Asked
from mling_embed.errors import UsageError

if TYPE_CHECKING:
    from mling_embed.evaluation.reporting.report import Report
    from mling_embed.evaluation.reporting.tables import Table
    from mling_embed.evaluation.tasks.contract import Task


def _list(wanted: bool) -> bool:
    if wanted:
        from mling_embed.evaluation.suites import descriptions
        from mling_embed.evaluation.suites.groups import GROUPS

        console.write_rows({**{name: group.about for name, group in GROUPS.items()}, **descriptions()}.items())
        raise typer.Exit
    return wanted


_Model = Annotated[
    str,
    typer.Argument(help="The encoder: a folder, a name of the hub, module:function, or http://HOST/v1#MODEL."),
]
_Tasks = Annotated[
    list[str] | None,
    typer.Option(help="Test sets, or quick, standard or all; with commas, or repeated. [default: phrasebook]"),
]
_Bitext = Annotated[
    tuple[Path, Path] | None,
    typer.Option(
        metavar="SRC TGT", help="Two line-aligned files; TGT is English unless its suffix is another language's."
    ),
]
_Sts = Annotated[
    list[Path] | None, typer.Option(help="TSV or CSV with sentence1, sentence2 and score; may be repeated.")
]
_Retrieval = Annotated[
    list[Path] | None,
    typer.Option(metavar="DIR", help="A folder as BEIR has it: corpus.jsonl, queries.jsonl, qrels/test.tsv."),
]
_Classification = Annotated[
    tuple[Path, Path] | None,
    typer.Option(metavar="TRAIN TEST", help="TSV or CSV with text and label: to learn from, and to test on."),
]
_Corpus = Annotated[Path | None, typer.Option(help="A corpus folder: its dev split is measured.")]
_Languages = Annotated[
    str | None, typer.Option(help="Keep these alone, such as de,ja,sw; of --bitext, the language of SRC.")
]
_Limit = Annotated[
    int | None, typer.Option(help="At most so many texts of each kind and language in a task. [default: all]")
]
_Teacher = Annotated[str | None, typer.Option(help="The English encoder whose own figures stand beside the model's.")]
_Compare = Annotated[
    list[str] | None, typer.Option(help="Another encoder on the same tasks, compared item by item; may be repeated.")
]
_Cache = Annotated[bool, typer.Option("--cache/--no-cache", help="Keep the vectors of texts for later evaluations.")]
_Device = Annotated[str | None, typer.Option(help="Where to compute: cpu, cuda, mps. [default: the best there is]")]
_Json = Annotated[bool, typer.Option("--json", help="Print a line of JSON for each task, mean and worst.")]
_Out = Annotated[Path | None, typer.Option(help="Write MTEB's JSON files and report.html into this folder.")]
_Card = Annotated[bool, typer.Option("--card", help="Write the results into the README.md of the model's folder.")]
_ListTasks = Annotated[
    bool, typer.Option("--list-tasks", callback=_list, is_eager=True, help="Print the test sets and leave.")
]


def command(
    model: _Model,
    tasks: _Tasks = None,
    bitext: _Bitext = None,
    sts: _Sts = None,
    retrieval: _Retrieval = None,
    classification: _Classification = None,
    corpus: _Corpus = None,
    languages: _Languages = None,
    limit: _Limit = None,
    teacher: _Teacher = None,
    compare: _Compare = None,
    cache: _Cache = True,
    device: _Device = None,
    json: _Json = False,
    out: _Out = None,
    card: _Card = False,
    list_tasks: _ListTasks = False,
) -> None:
    """Measure an encoder: translation, similarity, search, topics; per language, with mean and worst."""
    if out is not None and out.exists() and not out.is_dir():
        raise UsageError("is a file; expected a folder.", where=out, next_step="Choose another --out.")
    if card and not Path(model).is_dir():
        raise UsageError(f"--card: {model} is no folder, whose card could be written.")
    asked = Asked(tasks or (), bitext, sts or (), retrieval or (), classification, corpus, languages, limit)
    chosen = asked.tasks()
    report, *others = (
        _report(each, chosen, teacher=teacher, device=device, cache=cache)
        for each in dict.fromkeys([model, *(compare or ())])
    )

    from mling_embed.evaluation.comparison import compare as compared

    comparisons = [compared(report, other) for other in others]
    if json:
        records = [record for each in (report, *others) for record in each.records()]
        for record in [*records, *(record for each in comparisons for record in each.records())]:
            console.write_json_line(record)
    else:
        print_tables([*report.tables(), *(comparison.table() for comparison in comparisons)])
    if report.warning:
        console.say(report.warning)
    if out is not None:
        written = report.write(out)
        console.say(f"wrote {', '.join(path.name for path in written)} into {out}")
    if card:
        _write_card(report, Path(model))


def _write_card(report: Report, folder: Path) -> None:
    """Write the results into a model's card; a run's receipt of it knows the card from then on."""
    from mling_embed.distillation.receipt import renew_receipt
    from mling_embed.evaluation.reporting.card_results import write_card_results

    path = write_card_results(report, folder)
    renew_receipt(folder, path.name)
    console.say(f"wrote the results into {path}")


def _report(model: str, tasks: Sequence[Task], *, teacher: str | None, device: str | None, cache: bool) -> Report:
    """Measure one encoder, and say what that took."""
    from mling_embed.evaluation.judged_encoder import is_stored
    from mling_embed.evaluation.kept_vectors import vectors_folder
    from mling_embed.evaluation.runner import evaluate

    keep = vectors_folder() if cache and is_stored(model) and (teacher is None or is_stored(teacher)) else None
    with console.progress() as progress:
        report = evaluate(model, tasks, teacher=teacher, device=device, keep=keep, progress=progress)
    if report.encoded is not None:
        asked, distinct, computed, seconds = report.encoded
        console.say(
            f"{model}: {len(report)} tasks in {report.seconds or 0:.1f} s; {asked:,} texts, {distinct:,} different, "
            f"{computed:,} encoded in {seconds:.1f} s"
        )
    return report


def print_tables(tables: Sequence[Table]) -> None:
    """Print the tables to stdout: drawn on a terminal, else as TSV with an empty line between them."""
    if not sys.stdout.isatty():
        for place, table in enumerate(tables):
            if place:
                sys.stdout.write("\n")
            rows = ((table.title, *row) for row in table.text_rows())
            console.write_rows(rows, header=("suite", *table.header))
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table as Drawn

    terminal = Console()
    for table in tables:
        drawn = Drawn(
            title=table.title,
            title_justify="left",
            caption=table.note or None,
            caption_justify="left",
            box=SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
            pad_edge=False,
        )
        for place, name in enumerate(table.header):
            drawn.add_column(name, justify="right" if place else "left")
        detail = len(table.rows) - table.n_summary
        for place, row in enumerate(table.marked_rows()):
            drawn.add_row(*row, style="bold" if place >= detail else None, end_section=place == detail - 1)
        terminal.print(drawn)
