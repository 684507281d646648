"""The verb ``evaluate``: measure an encoder on bitext, similarity and search tasks."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mling_embed.cli import console
from mling_embed.errors import UsageError
from mling_embed.languages import ENGLISH, UNKNOWN_LANGUAGE, language_code, language_tag, taken

if TYPE_CHECKING:
    from mling_embed.evaluation.reporting.tables import Table
    from mling_embed.evaluation.tasks.contract import Task

DEV = "dev"


def _list(wanted: bool) -> bool:
    if wanted:
        from mling_embed.evaluation.suites import descriptions

        console.write_rows(descriptions().items())
        raise typer.Exit
    return wanted


def command(
    model: Annotated[str, typer.Argument(help="The encoder: a folder, or a name of the Hugging Face hub.")],
    tasks: Annotated[
        list[str] | None,
        typer.Option(help="Names of test sets; several with commas, or repeated. [default: phrasebook]"),
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
    corpus: Annotated[Path | None, typer.Option(help="A corpus folder: its dev split is measured.")] = None,
    languages: Annotated[
        str | None, typer.Option(help="Keep these alone, such as de,ja,sw; of --bitext, the language of SRC.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="At most so many texts of each kind and language in a task. [default: all]")
    ] = None,
    teacher: Annotated[
        str | None, typer.Option(help="The English encoder whose own figures stand beside the model's.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="Where to compute: cpu, cuda, mps. [default: the best there is]")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each task, mean and worst.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write MTEB's JSON files and report.html into this folder.")] = None,
    list_tasks: Annotated[
        bool, typer.Option("--list-tasks", callback=_list, is_eager=True, help="Print the test sets and leave.")
    ] = False,
) -> None:
    """Measure an encoder: translation accuracy, similarity, search; per language, with mean and worst."""
    if out is not None and out.exists() and not out.is_dir():
        raise UsageError("is a file; expected a folder.", where=out, next_step="Choose another --out.")
    chosen = list(_tasks(_names(tasks, corpus, has_files=bool(bitext or sts)), bitext, sts or [], corpus, languages))

    from mling_embed.evaluation.runner import evaluate

    with console.progress() as progress:
        report = evaluate(model, chosen, limit=limit, teacher=teacher, device=device, progress=progress)
    if json:
        sys.stdout.write(report.to_json())
    else:
        print_tables(report.tables())
    if report.warning:
        console.say(report.warning)
    if out is not None:
        written = report.write(out)
        console.say(f"wrote {', '.join(path.name for path in written)} into {out}")


def _names(tasks: list[str] | None, corpus: Path | None, *, has_files: bool) -> list[str]:
    """Return the suites asked for, having seen that they exist; the phrasebook where nothing is asked for.

    Raises:
        UsageError: There is no such suite, or a dev split is meant and no corpus given.
    """
    from mling_embed.evaluation.suites import DEFAULT_SUITE, suite_named

    names = list(dict.fromkeys(name.strip() for text in tasks or [] for name in text.split(",") if name.strip()))
    if DEV in names:
        if corpus is None:
            raise UsageError("'dev' is the dev split of a corpus.", next_step="Name one with --corpus DIR.")
        names.remove(DEV)
    for name in names:
        suite_named(name)
    return names or ([] if has_files or corpus is not None else [DEFAULT_SUITE])


def _tasks(
    names: Sequence[str],
    bitext: tuple[Path, Path] | None,
    sts: Sequence[Path],
    corpus: Path | None,
    languages: str | None,
) -> Iterator[Task]:
    """Yield the tasks that the options ask for."""
    from mling_embed.evaluation.suites import load_suite
    from mling_embed.evaluation.suites.dev import load_dev
    from mling_embed.evaluation.suites.user_files import bitext_from_files, sts_from_file

    wanted = None if languages is None else [language_tag(name) for name in languages.split(",") if name.strip()]
    if wanted and len(wanted) > 1 and not names and corpus is None:
        raise UsageError(
            "--languages chooses among the languages of a suite; files have one each.",
            next_step="Give the one language of the files, or add --tasks.",
        )
    if bitext is not None:
        source, target = bitext
        language = _source_language(source, wanted)
        yield bitext_from_files(source, target, language=language, target_language=_suffix_language(target) or ENGLISH)
    for path in sts:
        both = wanted[0] if wanted and len(wanted) == 1 else UNKNOWN_LANGUAGE
        yield sts_from_file(path, languages=(both, both))
    for name in names:
        yield from load_suite(name, languages=wanted)
    if corpus is not None:
        from mling_embed.corpora.parallel import ParallelCorpus

        yield from load_dev(ParallelCorpus.open(corpus), languages=wanted)


def _source_language(source: Path, wanted: Sequence[str] | None) -> str:
    """Return the language of ``--bitext``'s first file: what is said wins over what its suffix says."""
    named = _suffix_language(source) or UNKNOWN_LANGUAGE
    if not wanted or (named != UNKNOWN_LANGUAGE and taken(wanted, named)):
        return named
    if len(wanted) > 1:
        raise UsageError(
            f"--languages names {', '.join(wanted)}; which of them is it?",
            where=source,
            next_step="Give the one language of the file.",
        )
    return language_code(wanted[0])


def _suffix_language(path: Path) -> str | None:
    """Return the language that a file's last suffix names (``news.de``): two letters, for longer ones say other things.

    A code of three letters is as often ``txt``, ``tsv``, ``dev`` or ``new``, each of which is a language too.
    """
    from mling_embed.corpora.archives import plain_name

    suffix = Path(plain_name(path)).suffix[1:]
    try:
        return language_code(suffix) if len(suffix.replace("_", "-").partition("-")[0]) == 2 else None
    except UsageError:
        return None


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
