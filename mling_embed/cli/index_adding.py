"""``index add``: put files in, here, on a cluster, or in shares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mling_embed.cli.console import progress, say, write_json_line, write_rows

if TYPE_CHECKING:
    from mling_embed.indexing.documents.reading import Reading, Rejected
    from mling_embed.indexing.index import Index
    from mling_embed.indexing.results import Added
    from mling_embed.indexing.storage.rows import Entry

Folder = Annotated[Path, typer.Argument(metavar="INDEX", help="The index's folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON lines instead of TSV.")]
Model = Annotated[
    str | None,
    typer.Option(help="The encoder: a folder or a name. By default the one that the index was made with."),
]
_SHOWN = 5


def add(
    index: Folder,
    files: Annotated[
        list[Path], typer.Argument(help=".txt (a line is a text), .tsv, .jsonl, .parquet, or a folder of such files.")
    ],
    split: Annotated[
        str, typer.Option(help="Split texts into sentences, or into passages that the model reads whole.")
    ] = "none",
    language: Annotated[str | None, typer.Option(help="Of texts whose file does not say it; else guessed.")] = None,
    guess: Annotated[bool, typer.Option("--guess/--no-guess", help="Guess languages that nobody gave.")] = True,
    text_column: Annotated[str | None, typer.Option(help="The column of texts, by name or by number from 0.")] = None,
    id_column: Annotated[str | None, typer.Option(help="The column of ids.")] = None,
    language_column: Annotated[str | None, typer.Option(help="The column of languages.")] = None,
    upsert: Annotated[
        bool, typer.Option("--upsert", help="Replace what has the same ids; drop what is no longer in the file.")
    ] = False,
    model: Model = None,
    engine: Annotated[str | None, typer.Option(help="Where texts are encoded: local, or ray. [default: local]")] = None,
    shard: Annotated[
        str | None, typer.Option(help="Encode the share i/n, as one of n processes; then add without it.")
    ] = None,
    json: Json = False,
) -> None:
    """Put texts in; what is there already is passed over, so that the same command goes on where it stopped."""
    from mling_embed.choices import choice
    from mling_embed.encoders.contract import PromptRole
    from mling_embed.engines.kinds import engine_of
    from mling_embed.indexing.changes.ahead import forget_ahead
    from mling_embed.indexing.documents.reading import Reading, files_of
    from mling_embed.indexing.documents.splitting import PieceKind
    from mling_embed.indexing.index import Index
    from mling_embed.indexing.language_guess import can_guess

    wanted, elsewhere = files_of(files), engine_of(engine, shard)
    given = {"text": text_column, "id": id_column, "language": language_column}
    with Index.open(index, model=model) as opened:
        encoder = opened.encoder
        reading = Reading(
            language=language,
            guess=guess and language is None,
            columns={part: column for part, column in given.items() if column is not None},
            split=choice(PieceKind, split),
            limit=encoder.max_seq_length,
            token_counts=lambda texts: encoder.token_counts(texts, role=PromptRole.PASSAGE).tolist(),
        )
        if reading.guess and not can_guess():
            say('languages are not guessed without lingua: pip install "mling-embed[lid]"')
        if elsewhere is not None:
            with progress() as report:
                opened.encode_ahead((_entries(*each, reading) for each in wanted), elsewhere, progress=report)
        rows, cut_off = _add_files(opened, wanted, reading, upsert=upsert)
        forget_ahead(index)
        opened.publish_tail()
        _tell_cut_off(cut_off, reading)
        say(f"{index}: {opened.count():,} texts.")
    _print(rows, json=json)


def _add_files(
    index: Index, files: list[tuple[Path, str]], reading: Reading, *, upsert: bool
) -> tuple[list[dict[str, Any]], list[str]]:
    """Add files one by one; return what became of each, and the ids of texts that the model does not read whole."""
    rows, cut_off = list[dict[str, Any]](), list[str]()
    for path, name in files:
        added, rejected = _add_file(index, path, name, reading, upsert=upsert)
        cut_off += added.cut_off
        facts = {"file": str(path), **asdict(added), "cut_off": len(added.cut_off)}
        rows.append({**facts, "rejected": len(rejected)})
        _tell_rejects(rejected)
    return rows, cut_off


def _print(rows: list[dict[str, Any]], *, json: bool) -> None:
    if json:
        for row in rows:
            write_json_line(row)
    else:
        write_rows((list(row.values()) for row in rows), header=list(rows[0]))


def _add_file(index: Index, path: Path, name: str, reading: Reading, *, upsert: bool) -> tuple[Added, list[Rejected]]:
    rejected: list[Rejected] = []
    entries = _entries(path, name, reading, rejected)
    with progress() as report:
        if upsert:
            return index.upsert_document(name, entries, progress=report), rejected
        return index.add_entries(entries, progress=report), rejected


def _entries(path: Path, name: str, reading: Reading, rejected: list[Rejected] | None = None) -> Iterator[Entry]:
    """Yield the entries of a file, and keep apart what is none."""
    from mling_embed.indexing.documents.reading import Rejected, read_documents

    for each in read_documents(path, name, reading):
        if not isinstance(each, Rejected):
            yield each
        elif rejected is not None:
            rejected.append(each)


def _tell_rejects(rejected: list[Rejected]) -> None:
    if rejected:
        reasons = Counter(str(each.reject.reason) for each in rejected)
        counted = ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common())
        places = ", ".join(each.where for each in rejected[:_SHOWN])
        say(f"not taken in: {counted} ({places}{', ...' if len(rejected) > _SHOWN else ''})")


def _tell_cut_off(ids: list[str], reading: Reading) -> None:
    if ids:
        shown = ", ".join(ids[:_SHOWN]) + (", ..." if len(ids) > _SHOWN else "")
        say(
            f"{len(ids):,} texts are longer than the {reading.limit} tokens that the model reads; only their beginning "
            f"can be found: {shown}. Add them with --upsert --split passages."
        )
