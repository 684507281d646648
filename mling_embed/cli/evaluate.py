"""The verb ``evaluate``: measure an encoder on bitext, similarity and search tasks."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mling_embed.cli import console
from mling_embed.errors import UsageError
from mling_embed.languages import ENGLISH, language_code

if TYPE_CHECKING:
    from mling_embed.evaluation.reporting.tables import Table
    from mling_embed.evaluation.tasks.results import TaskResult
    from mling_embed.evaluation.tasks.tasks import Task

REPORT_FILE = "report.html"


def command(
    model: Annotated[str, typer.Argument(help="The encoder: a folder, or a name of the Hugging Face hub.")],
    suite: Annotated[
        list[str] | None,
        typer.Option(help="tatoeba, stsb, phrasebook or dev; may be repeated. [default: phrasebook]"),
    ] = None,
    bitext: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="SRC TGT", help="Two line-aligned files; TGT is English unless its suffix is another language's."
        ),
    ] = None,
    sts: Annotated[
        list[Path] | None,
        typer.Option(help="TSV or CSV with sentence1, sentence2 and score; may be repeated."),
    ] = None,
    corpus: Annotated[Path | None, typer.Option(help="The corpus folder whose dev split is measured.")] = None,
    languages: Annotated[str | None, typer.Option(help="Keep these alone, such as de,ja,sw.")] = None,
    teacher: Annotated[
        str | None, typer.Option(help="The English encoder whose own figures stand beside the model's.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each task.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write MTEB's JSON files and report.html into this folder.")] = None,
) -> None:
    """Measure an encoder: translation accuracy, similarity, search; per language, with mean and worst."""
    if out is not None and out.exists() and not out.is_dir():
        raise UsageError("is a file; expected a folder.", where=out, next_step="Choose another --out.")
    began = time.perf_counter()
    tasks = list(_tasks(suite or [], bitext, sts or [], corpus, languages))

    from mling_embed.encoders.loading import load
    from mling_embed.evaluation.runner import evaluate

    student = load(model)
    beside = load(teacher) if teacher else None
    with console.progress() as progress:
        results = evaluate(student, tasks, teacher=beside, progress=progress)
    if json:
        _print_json(results)
    else:
        from mling_embed.evaluation.reporting.tables import result_tables

        print_tables(result_tables(results))
    warn_of_few(results)
    if out is not None:
        _write(results, out, model=model, teacher=teacher or "", seconds=time.perf_counter() - began)


def _tasks(
    suites: list[str],
    bitext: tuple[Path, Path] | None,
    sts: list[Path],
    corpus: Path | None,
    languages: str | None,
) -> Iterator[Task]:
    """Yield the tasks that the options ask for; names are checked before any file is read."""
    from mling_embed.evaluation.suites.suites import Suite, load_suite, suite_named
    from mling_embed.evaluation.suites.user_files import bitext_from_files, sts_from_file

    chosen = [suite_named(name) for name in dict.fromkeys(suites)]
    if not chosen and corpus is not None:
        chosen = [Suite.DEV]
    if not chosen and bitext is None and not sts:
        chosen = [Suite.PHRASEBOOK]
    if corpus is not None and Suite.DEV not in chosen:
        raise UsageError("--corpus is for the suite 'dev', which is not asked for.", next_step="Add --suite dev.")
    wanted = None if languages is None else [language_code(name) for name in languages.split(",") if name.strip()]
    if wanted and len(wanted) > 1 and not chosen:
        raise UsageError(
            "--languages chooses among the languages of a suite; files have one each.",
            next_step="Give the one language of the files, or add --suite.",
        )
    if bitext is not None:
        given = wanted[0] if wanted and len(wanted) == 1 else "und"
        source, target = bitext
        yield bitext_from_files(
            source, target, language=_suffix_language(source, given), target_language=_suffix_language(target, ENGLISH)
        )
    for path in sts:
        yield sts_from_file(path)
    for suite in chosen:
        opened = None
        if suite is Suite.DEV and corpus is not None:
            from mling_embed.corpora.parallel import ParallelCorpus

            opened = ParallelCorpus.open(corpus)
        yield from load_suite(suite, languages=wanted, corpus=opened)


def _suffix_language(path: Path, otherwise: str) -> str:
    """Return the language that a file's last suffix names (``news.de``), as far as it is a well-known one."""
    from mling_embed.corpora.archives import plain_name
    from mling_embed.evaluation.language_names import LANGUAGE_NAMES

    try:
        code = language_code(Path(plain_name(path)).suffix[1:])
    except UsageError:
        return otherwise
    return code if code in LANGUAGE_NAMES else otherwise


def warn_of_few(results: Sequence[TaskResult]) -> None:
    """Say on stderr which accuracies come of too few pairs."""
    from mling_embed.evaluation.reporting.tables import few_pairs_warning

    if warning := few_pairs_warning(results):
        console.say(warning)


def _print_json(results: Sequence[TaskResult]) -> None:
    from mling_embed.evaluation.reporting.tables import summary_records
    from mling_embed.evaluation.tasks.results import result_record

    for result in results:
        console.write_json_line(result_record(result))
    for record in summary_records(results):
        console.write_json_line(record)


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


def _write(results: Sequence[TaskResult], folder: Path, *, model: str, teacher: str, seconds: float) -> None:
    import importlib.metadata

    from mling_embed import __version__
    from mling_embed.evaluation.reporting.html import report_of, write_report
    from mling_embed.evaluation.reporting.mteb_json import write_mteb_files

    versions = {"mling-embed": __version__, "Python": sys.version.split()[0]}
    versions |= {name: importlib.metadata.version(name) for name in ("sentence-transformers", "torch")}
    paths = write_mteb_files(results, folder)
    report = report_of(results, model=model, teacher=teacher, seconds=seconds, versions=versions)
    write_report(report, folder / REPORT_FILE)
    console.say(f"wrote {len(paths)} JSON file(s) and {REPORT_FILE} into {folder}")
