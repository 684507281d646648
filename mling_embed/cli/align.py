"""The verb ``align``: which sentences of two documents, or of the documents of two folders, translate which."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mling_embed.cli import console
from mling_embed.errors import UsageError

if TYPE_CHECKING:
    from mling_embed.mining.alignment.align import AlignOptions
    from mling_embed.mining.alignment.aligned import Alignment
    from mling_embed.mining.alignment.folders import FolderDocuments, Matched

_Document = Annotated[str, typer.Argument(help="A document with a sentence a line, FILE[:lang], or a folder of them.")]
_Other = Annotated[str, typer.Argument(help="Its translation, or a folder of translations.")]
_Model = Annotated[str | None, typer.Option(help="The encoder: a folder, or a name of the hub.")]
_Vectors = Annotated[
    list[Path] | None,
    typer.Option(help="Instead of a model, vectors of each line: .npy, or .f16 or .f32 with --dim. Once a side."),
]
_Dim = Annotated[int | None, typer.Option(help="The width of raw vectors.")]
_Out = Annotated[
    Path | None,
    typer.Option(
        help=".ladder, .tsv, .jsonl, .tmx, or .moses for two files; for folders also a folder. [default: TSV to stdout]"
    ),
]
_Format = Annotated[str | None, typer.Option(help="The format of stdout, or of files in a folder. [default: tsv]")]
_Most = Annotated[int, typer.Option("--max-link", help="The most sentences of a link, both sides together.")]
_Spans = Annotated[
    str,
    typer.Option(help="Vectors of runs of sentences: encoded, or averaged from the sentences', much faster."),
]
_Split = Annotated[str, typer.Option(help="A sentence is: lines, or sentences found in each line by rules.")]
_Skip = Annotated[float, typer.Option(help="What a sentence without a translation costs; a link gains about 0.5.")]
_MinScore = Annotated[float | None, typer.Option(help="Leave out pairs below this score.")]
_Gold = Annotated[Path | None, typer.Option(help="A gold ladder: tell strict and lax precision, recall and F1.")]
_Pair = Annotated[bool, typer.Option("--pair-documents", help="Pair the folders' documents by what they hold.")]
_MinShare = Annotated[float, typer.Option(help="With --pair-documents: the least share of aligned sentences.")]
_Ids = Annotated[bool, typer.Option("--ids", help="Give the sentences' ids or lines in a TSV too.")]
_Rejects = Annotated[Path | None, typer.Option(help="Write what is left out, with reasons, as JSON lines.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON lines: the pairs, or with --out what was done.")]


def command(
    document: _Document,
    other: _Other,
    model: _Model = None,
    vectors: _Vectors = None,
    dim: _Dim = None,
    out: _Out = None,
    format: _Format = None,
    max_link: _Most = 6,
    spans: _Spans = "encoded",
    split: _Split = "lines",
    skip: _Skip = 0.02,
    min_score: _MinScore = None,
    gold: _Gold = None,
    pair_documents: _Pair = False,
    min_share: _MinShare = 0.5,
    ids: _Ids = False,
    rejects: _Rejects = None,
    json: _Json = False,
) -> None:
    """Align two documents sentence by sentence, or all documents of two folders; what comes out can be distilled."""
    from mling_embed.choices import choice
    from mling_embed.mining.alignment.align import AlignOptions, align
    from mling_embed.mining.alignment.documents import Split
    from mling_embed.mining.alignment.spans import Spans

    options = AlignOptions(
        most=max_link,
        spans=choice(Spans, spans),
        split=choice(Split, split),
        skip=skip,
        min_score=min_score,
    )
    printing = _Printing(out, format, ids=ids, json=json)
    if _is_folder(document) or _is_folder(other) or pair_documents:
        if vectors or gold is not None:
            raise UsageError("--vectors and --gold are for two documents.", next_step="Give two files, or a --model.")
        _folders((document, other), model, options, min_share if pair_documents else None, printing, rejects)
        return
    given = _opened(vectors or [], dim)
    with console.progress() as progress:
        found = align(document, other, model, vectors=given, options=options, progress=progress)
    printing.documents([found])
    _write_rejects(rejects, (found.source, found.target))
    if gold is not None:
        _tell_gold(found, gold, json=json)


class _Printing:
    """Print or write alignments, and say what was done."""

    def __init__(self, out: Path | None, format: str | None, *, ids: bool, json: bool) -> None:
        from mling_embed.choices import choice
        from mling_embed.mining.alignment.ladders import AlignedFormat, aligned_format_of

        self.out, self.ids, self.json = out, ids, json
        self.to_folder = out is not None and (out.is_dir() or not out.suffix)
        self.format = choice(AlignedFormat, format or "tsv")
        if out is not None and not self.to_folder:
            named = aligned_format_of(out)
            if format is not None and named is not self.format:
                raise UsageError(f"--out is {named}, and --format {format}.", next_step="Give one of them.")
            self.format = named

    def documents(self, found: list[Alignment]) -> None:
        """Give the pairs of documents, into one file or to stdout."""
        from mling_embed.mining.alignment.ladders import write_aligned

        summaries = [each.summary() for each in found]
        if self.out is not None:
            if self.to_folder:
                raise UsageError(
                    "is a folder, expected a file for two documents.",
                    where=self.out,
                    next_step=f"Give {self.out / 'aligned.tsv'}.",
                )
            files = write_aligned([each.written() for each in found], self.out, format=self.format, with_ids=self.ids)
            for summary in summaries if self.json else ():
                console.write_json_line({**summary, "files": list(map(str, files))})
            for path in files:
                console.say(f"written: {path}")
        else:
            for each in found:
                self._print(each, several=len(found) > 1)
        for summary in summaries:
            console.say(told(summary))

    def _print(self, found: Alignment, *, several: bool) -> None:
        from mling_embed.mining.alignment.ladders import AlignedFormat, aligned_record, ladder_lines
        from mling_embed.mining.outputs import tsv_rows

        if self.json or self.format is AlignedFormat.JSONL:
            name = found.source.name if several else None
            for pair in found:
                console.write_json_line(aligned_record(pair, languages=found.languages, document=name))
        elif self.format is AlignedFormat.LADDER:
            console.write_rows([line] for line in ladder_lines(found.links))
        elif self.format is AlignedFormat.TSV:
            console.write_rows(tsv_rows(found, languages=found.languages, with_ids=self.ids))
        else:
            raise UsageError(f"{self.format} is not printed.", next_step=f"Give --out pairs.{self.format}.")


def told(summary: dict[str, Any]) -> str:
    """Return what an alignment came to, in words."""
    sides = [
        f"{side['name']} ({side['language']}): {side['sentences']:,} sentences"
        + "".join(f", {count:,} {reason}" for reason, count in side["rejected"].items())
        for side in summary["sides"]
    ]
    return f"{'; '.join(sides)}; {summary['pairs']:,} pairs with {summary['share']:.1%} of the sentences"


def _is_folder(word: str) -> bool:
    location = word if Path(word).exists() else word.rpartition(":")[0]
    return bool(location) and Path(location).is_dir()


def _opened(paths: list[Path], dim: int | None) -> Any:
    from mling_embed.mining.shards import open_vectors

    if not paths:
        return None
    if len(paths) != 2:
        raise UsageError(
            f"--vectors is given {len(paths)} time(s), for 2 documents.", next_step="Give it once for each, in order."
        )
    return tuple(open_vectors(path, dim=dim) for path in paths)


def _folders(
    words: tuple[str, str],
    model: str | None,
    options: AlignOptions,
    min_share: float | None,
    printing: _Printing,
    rejects: Path | None,
) -> None:
    from mling_embed.mining.alignment.folders import (
        align_folders,
        match_by_content,
        match_by_name,
        read_folder,
        write_folder,
    )
    from mling_embed.mining.sides import vector_source

    encoder = vector_source(model, None).model
    ours, theirs = (read_folder(word, options) for word in words)
    with console.progress() as progress:
        if min_share is None:
            matched = match_by_name(ours, theirs)
        else:
            matched = match_by_content(ours, theirs, encoder, min_share=min_share, progress=progress)
        both = (ours, theirs, matched, encoder, options)
        if printing.out is not None and printing.to_folder:
            written = write_folder(*both, out=printing.out, format=printing.format, progress=progress)
            for each in written:
                if printing.json:
                    console.write_json_line({"source": each.source, "target": each.target, **each.summary})
                console.say(told(each.summary))
        else:
            printing.documents(list(align_folders(*both, progress=progress)))
    for line in _left_out(ours, theirs, matched):
        console.say(line)
    documents = [document for side in (ours, theirs) for document in side.documents.values()]
    _write_rejects(rejects, documents, [*_unread(ours, theirs), *_unpaired(ours, theirs, matched)])


def _left_out(ours: FolderDocuments, theirs: FolderDocuments, matched: Matched) -> Iterator[str]:
    for side, left in zip((ours, theirs), matched.unpaired, strict=True):
        if left:
            names = ", ".join(left[:5]) + (", ..." if len(left) > 5 else "")
            yield f"{side.folder}: {len(left):,} of {len(side.documents):,} documents without a partner: {names}"
        for name, error in side.refused.items():
            yield f"{side.folder}: {name} was left out: {error}"


def _unread(*sides: FolderDocuments) -> Iterator[dict[str, Any]]:
    for side in sides:
        for name, error in side.refused.items():
            yield {"file": str(side.folder / name), "line": None, "reason": "unreadable", "text": error}


def _unpaired(ours: FolderDocuments, theirs: FolderDocuments, matched: Matched) -> Iterator[dict[str, Any]]:
    for side, left in zip((ours, theirs), matched.unpaired, strict=True):
        for name in left:
            file = str(side.folder / side.documents[name].name)
            yield {"file": file, "line": None, "reason": "no-partner", "text": name}


def _write_rejects(path: Path | None, documents: Iterable[Any], more: Iterable[dict[str, Any]] = ()) -> None:
    if path is None:
        return
    from dataclasses import asdict
    from json import dumps

    from mling_embed.files import write_text

    records = [asdict(each) for document in documents for each in document.rejected]
    write_text(path, "".join(dumps(record, ensure_ascii=False) + "\n" for record in [*records, *more]))


def _tell_gold(found: Alignment, path: Path, *, json: bool) -> None:
    from mling_embed.mining.alignment.gold import gold_scores, read_ladder

    scores = gold_scores([(found.links, read_ladder(path))])
    for name, each in (("strict", scores.strict), ("lax", scores.lax)):
        console.say(f"{name}: precision {each.precision:.4f}, recall {each.recall:.4f}, F1 {each.f1:.4f}")
    if json:
        console.write_json_line({"gold": scores.as_json()})
