"""The verb ``index``: make an index, fill it, ask it, and look after it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mling_embed.cli.console import progress, say, write_json_line, write_rows
from mling_embed.cli.index_adding import Folder, Json, Model, add
from mling_embed.cli.index_queries import conditions_of, parts, read_queries
from mling_embed.errors import DataError, UsageError

if TYPE_CHECKING:
    from mling_embed.indexing.results import Hit
    from mling_embed.indexing.storage.rows import Entry

app = typer.Typer(no_args_is_help=True)
_QUERIES_AT_ONCE = 64


@app.command(short_help="Make an empty index.")
def create(
    index: Folder,
    model: Annotated[str, typer.Option(help="What turns texts into vectors: a folder, or a name of the hub.")],
    kind: Annotated[
        str | None, typer.Option(help="flat, hnsw, ivf-flat or ivf-pq; by default what fits size and memory.")
    ] = None,
    float16: Annotated[bool, typer.Option("--float16", help="Store vectors in half the space.")] = False,
    metric: Annotated[str, typer.Option(help="cosine, or dot for models made for inner products.")] = "cosine",
    harmonize: Annotated[
        list[str] | None,
        typer.Option(help="Pairs FILE[:lang], on which each language's offset from English is measured. Repeatable."),
    ] = None,
) -> None:
    """Make an empty index for texts of any language."""
    from mling_embed.indexing.index import Index
    from mling_embed.indexing.storage.rows import NumberFormat

    number_format = NumberFormat.FLOAT16 if float16 else NumberFormat.FLOAT32
    pairs = _pairs(harmonize) if harmonize else None
    with Index.create(
        index, model=model, kind=kind, number_format=number_format, metric=metric, harmonize=pairs
    ) as made:
        stats = made.stats()
        say(f"{index}: an empty index of {stats.dim} dimensions, for {stats.model}.")
        if stats.harmonized:
            say(f"harmonized: {', '.join(stats.harmonized)}")


app.command("add", short_help="Put texts in.")(add)


@app.command(short_help="Ask in any language.")
def search(
    index: Folder,
    queries: Annotated[
        list[str] | None, typer.Argument(metavar="[QUERY]...", help="Words, or a file of queries, one a line.")
    ] = None,
    k: Annotated[int, typer.Option("-k", help="Hits for each query.")] = 10,
    languages: Annotated[str | None, typer.Option(help="Languages that hits may have, separated by commas.")] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(help="FIELD=VALUE that hits must have; repeatable."),
    ] = None,
    balance: Annotated[str | None, typer.Option(help="language: the same share of the hits for each language.")] = None,
    hybrid: Annotated[bool, typer.Option("--hybrid", help="Let words count beside meaning.")] = False,
    text: Annotated[bool, typer.Option("--text", help="Take queries as words, even a file's name.")] = False,
    query_language: Annotated[str | None, typer.Option(help="The queries' language, for a harmonized index.")] = None,
    model: Model = None,
    json: Json = False,
) -> None:
    """Find the texts that mean what the queries mean; queries come from standard input if none is given."""
    from mling_embed.indexing.index import Index
    from mling_embed.indexing.model_match import Relation

    codes = None if languages is None else [code for code in languages.split(",") if code.strip()]
    with Index.open(index, model=model) as opened:
        filters = conditions_of(where or [])
        if opened.relation is Relation.STUDENT:
            say(f"the index's model is {opened.stats().model or 'another'}; queries go through its student {model}.")
        header = ("query", "rank", "score", "id", "language", "text")
        first = True
        for part in parts(read_queries(queries or [], literally=text), _QUERIES_AT_ONCE):
            answers = opened.search(
                part, k, codes, filters, balance=balance, hybrid=hybrid, query_language=query_language
            )
            if json:
                for hit in (hit for hits in answers for hit in hits):
                    write_json_line(hit.as_json())
                continue
            one = first and len(part) == 1 and not (queries is None or len(queries) != 1)
            rows = [_cells(hit) for hits in answers for hit in hits]
            skip = 1 if one else 0
            write_rows((row[skip:] for row in rows), header=header[skip:] if first else None)
            first = False


def _cells(hit: Hit) -> tuple[object, ...]:
    return (hit.query, hit.rank, f"{hit.score:.4f}", hit.id, hit.language, hit.text)


@app.command(short_help="Take texts out.")
def delete(
    index: Folder,
    ids: Annotated[list[str] | None, typer.Argument(help="Ids of texts.")] = None,
    document: Annotated[list[str] | None, typer.Option(help="A document whose texts go. Repeatable.")] = None,
) -> None:
    """Take texts out, by their ids or by their documents."""
    from mling_embed.indexing.index import Index

    if not ids and not document:
        raise UsageError("nothing to delete.", next_step="Give ids, or --document NAME.")
    with Index.open(index) as opened:
        say(f"deleted {opened.delete(ids or [], documents=document or []):,}; {opened.count():,} texts are left.")


@app.command(short_help="Say what is in it.")
def stats(index: Folder, json: Json = False) -> None:
    """Say what an index holds, by which model, and how it is searched."""
    from mling_embed.indexing.index import Index

    with Index.open(index) as opened:
        facts = opened.stats().as_json()
    if json:
        write_json_line(facts)
        return
    for name, value in facts.items():
        if isinstance(value, dict):
            write_rows((name, key, each) for key, each in value.items())
        else:
            write_rows([(name, ", ".join(value) if isinstance(value, list | tuple) else value)])


@app.command(short_help="Check everything.")
def verify(index: Folder, json: Json = False) -> None:
    """Check every row and file against its checksum, and all against each other; exit 4 if anything is wrong."""
    from mling_embed.errors import DamagedFileError
    from mling_embed.indexing.upkeep.verification import verify as verify_index

    if not index.is_dir():
        raise DataError("is not an index.", where=index)
    with progress() as report:
        found = verify_index(index, progress=report)
    if json:
        write_json_line(asdict(found))
    for problem in found.problems:
        say(f"damaged: {problem}")
    say(f"{index}: {found.rows:,} rows and {found.files} files are whole, {len(found.problems)} problem(s).")
    if not found.whole:
        raise typer.Exit(DamagedFileError.exit_code)


@app.command(short_help="Make everything anew from the rows.")
def rebuild(
    index: Folder,
    harmonize: Annotated[
        list[str] | None, typer.Option(help="Pairs FILE[:lang] to measure offsets on. Repeatable.")
    ] = None,
    no_harmonize: Annotated[bool, typer.Option("--no-harmonize", help="Subtract no offsets any more.")] = False,
    drop_damaged: Annotated[bool, typer.Option("--drop-damaged", help="Leave out what cannot be repaired.")] = False,
    kind: Annotated[str | None, typer.Option(help="flat, hnsw, ivf-flat or ivf-pq.")] = None,
    model: Model = None,
) -> None:
    """Make sums, full text and generation anew from the rows; name the rows that are damaged."""
    from mling_embed.indexing.harmonization import measure_by
    from mling_embed.indexing.index import Index
    from mling_embed.indexing.upkeep.repair import rebuild_index

    offsets: Any = False if no_harmonize else None
    if harmonize:
        with Index.open(index, model=model) as opened:
            offsets = measure_by(opened.encoder, _pairs(harmonize))
    with progress() as report:
        dropped = rebuild_index(index, harmonization=offsets, drop_damaged=drop_damaged, model=model, progress=report)
        with Index.open(index) as opened:
            manifest = opened.publish(kind=kind, progress=report)
    say(f"{index}: {manifest.rows:,} rows, {manifest.kind} ({manifest.reason}), recall@10 {manifest.recall_at_10:.3f}.")
    if dropped:
        say(f"{dropped:,} damaged rows were left out.")


@app.command(short_help="Give back the space of deleted texts.")
def compact(index: Folder) -> None:
    """Give back the space of texts that were deleted or replaced."""
    from mling_embed.indexing.index import Index

    with Index.open(index) as opened, progress() as report:
        freed = opened.compact(progress=report)
    say(f"{index}: {freed / 1e6:,.1f} MB freed.")


@app.command(short_help="Move it to another model.")
def reencode(index: Folder, model: Annotated[str, typer.Option(help="The new encoder: a folder or a name.")]) -> None:
    """Encode all texts by another model; stopped in between, the same command goes on."""
    from mling_embed.indexing.index import Index

    with Index.open(index) as opened, progress() as report:
        opened.reencode(model, progress=report)
        say(f"{index}: {opened.count():,} texts, now by {model}.")


@app.command(short_help="Look for hubs, near duplicates and drift.")
def audit(
    index: Folder,
    student: Annotated[str | None, typer.Option(help="A student of the index's model: measure its drift.")] = None,
    sample: Annotated[int, typer.Option(help="Texts that are asked with.")] = 1000,
    k: Annotated[int, typer.Option("-k", help="Neighbors of each.")] = 10,
    json: Json = False,
) -> None:
    """List texts near everything, near duplicates across languages, and how far a student's answers drift."""
    from mling_embed.indexing.index import Index

    with Index.open(index) as opened, progress() as report:
        if student is not None:
            drift = opened.drift(student, n_queries=sample, k=k)
            if json:
                write_json_line(asdict(drift))
            else:
                write_rows(asdict(drift).items())
            return
        found = opened.audit(n_queries=sample, k=k, progress=report)
    if json:
        write_json_line(asdict(found))
        return
    hubs = [("hub", hub.id, hub.language, hub.occurrence, f"{hub.z:.1f}", hub.text) for hub in found.hubs]
    near = [
        ("near-duplicate", pair.first, "/".join(pair.languages), "", f"{pair.score:.4f}", pair.second)
        for pair in found.near_duplicates
    ]
    write_rows([*hubs, *near], header=("finding", "id", "language", "k_occurrence", "score", "text_or_id"))
    say(f"{found.n_queries:,} texts asked: {len(hubs)} hubs, {len(near)} near duplicates across languages.")


@app.command(short_help="Write it to Parquet, or to a vector store.")
def export(
    index: Folder,
    out: Annotated[str, typer.Argument(help="A file (parquet), a new folder, or postgresql://... (pgvector).")],
    to: Annotated[str, typer.Option(help="parquet, qdrant-edge, lancedb or pgvector.")] = "parquet",
) -> None:
    """Write ids, texts, vectors, metadata and the model's fingerprint to where they are searched by others."""
    from mling_embed.indexing.index import Index

    with Index.open(index) as opened, progress() as report:
        rows = opened.export(out, to=to, progress=report)
        place = out if "://" not in out else "the database's table texts"
        say(f"{place}: {rows:,} rows.")
        if opened.stats().harmonized:
            say("vectors went out as they are stored: offsets of languages are not subtracted there.")


@app.command("import", short_help="Take over a FAISS file.")
def import_faiss(
    index: Folder,
    faiss_file: Annotated[Path, typer.Argument(help="The FAISS file, of a kind that keeps vectors as they were.")],
    texts: Annotated[
        Path, typer.Argument(help="Their texts and ids, in the same order: .txt, .tsv, .jsonl, .parquet.")
    ],
    model: Annotated[str, typer.Option(help="The encoder that the vectors are of.")],
    language: Annotated[str | None, typer.Option(help="Of texts whose file does not say it; else guessed.")] = None,
) -> None:
    """Make an index of the vectors of a FAISS file, having checked on a sample that they are the model's."""
    from mling_embed.encoders.loading import as_encoder
    from mling_embed.indexing.documents.reading import Reading, Rejected, read_documents
    from mling_embed.indexing.exchange.faiss_import import read_faiss_vectors, require_vectors_of
    from mling_embed.indexing.index import Index

    vectors = read_faiss_vectors(faiss_file)
    entries: list[Entry] = []
    for each in read_documents(texts, texts.name, Reading(language=language, guess=language is None)):
        if isinstance(each, Rejected):
            raise DataError(f"cannot be used: {each.reject.reason}.", where=each.where)
        entries.append(each)
    cosine = require_vectors_of(as_encoder(model), entries, vectors, where=faiss_file)
    with Index.create(index, model=model) as made, progress() as report:
        added = made.add_entries(entries, vectors=vectors, progress=report)
        made.publish_tail()
    say(f"{index}: {added.added:,} texts; their vectors are the model's (mean cosine {cosine:.4f} on a sample).")


def _pairs(names: list[str]) -> list[tuple[str, str, str]]:
    """Read pairs of (English, other, language)."""
    from mling_embed.corpora.inputs import guess_input
    from mling_embed.corpora.readers import read_input
    from mling_embed.corpora.records import Pair

    found = []
    for name in names:
        source = guess_input(name)
        for _, record in read_input(source):
            language = getattr(record, "language", None) or source.language
            if isinstance(record, Pair) and record.other is not None and language is not None:
                found.append((record.english, record.other, language))
    if not found:
        raise DataError("no pairs with a language.", where=names[0], next_step="Name it: FILE:lang.")
    return found
