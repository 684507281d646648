"""Folders: the documents of two folders, paired by name or by content, aligned one after the other and written once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mling_embed.corpora.archives import COMPRESSIONS, is_archive
from mling_embed.corpora.file_names import is_language_part
from mling_embed.encoders.contract import Encoder
from mling_embed.engines.array_store import key_of_parts
from mling_embed.errors import DataError, MlingEmbedError, UsageError
from mling_embed.files import read_json, write_json
from mling_embed.languages import language_code
from mling_embed.mining.alignment.align import AlignOptions, align_documents
from mling_embed.mining.alignment.aligned import Alignment
from mling_embed.mining.alignment.document_pairing import DEFAULT_MIN_SHARE, pair_documents
from mling_embed.mining.alignment.documents import Document, read_document
from mling_embed.mining.alignment.ladders import AlignedFormat
from mling_embed.mining.sources import sentence_source
from mling_embed.progress import Progress, silent

_FORMAT = "alignment 1"  # goes up when the same documents and options would give other links
_RECORD = "aligned.json"
_PLAIN = frozenset({"txt", "text", "tsv", "jsonl", "ndjson", "parquet", "lines", "md"})


@dataclass(frozen=True, slots=True)
class FolderDocuments:
    """Hold the documents of a folder that can be aligned, and why others cannot.

    Attributes:
        folder: Where they lie.
        documents: Each by the name by which it is paired: its path without suffix and language.
        refused: Of each file that is no document the error.
    """

    folder: Path
    documents: dict[str, Document]
    refused: dict[str, str]


@dataclass(frozen=True, slots=True)
class Matched:
    """Hold which documents of two folders go together.

    Attributes:
        pairs: Names of a source and a target document, and the share of aligned sentences where it was looked at.
        unpaired: Names of the documents of both folders that have no partner.
    """

    pairs: tuple[tuple[str, str, float | None], ...]
    unpaired: tuple[tuple[str, ...], tuple[str, ...]]


def read_folder(word: str | Path, options: AlignOptions) -> FolderDocuments:
    """Read all documents of a folder (``FOLDER[:lang]``); files that are none are kept apart.

    Raises:
        DataError: There is no such folder, it holds no file, or two files have one name.
        UsageError: The language is none.
    """
    folder, language = _folder_and_language(str(word))
    files = sorted(each for each in folder.rglob("*") if each.is_file() and not _is_hidden(each, folder))
    documents: dict[str, Document] = {}
    refused: dict[str, str] = {}
    for path in files:
        name, inside = document_name(path.relative_to(folder)), path.relative_to(folder).as_posix()
        try:
            if is_archive(path):
                raise UsageError("is an archive.", where=path, next_step="Unpack it.")
            source = sentence_source(path, language=language)
            document = read_document(source, split=options.split, decoding=options.decoding, name=inside)
        except MlingEmbedError as error:
            refused[inside] = str(error)
            continue
        if name in documents:
            raise DataError(
                f"{documents[name].name} and {inside} are both called {name}.",
                where=folder,
                next_step="Give a folder for each language.",
            )
        documents[name] = document
    if not documents:
        told = f" ({next(iter(refused.values()))})" if refused else ""
        raise DataError(f"no document in this folder{told}.", where=folder, next_step="Give a folder with text files.")
    return FolderDocuments(folder, documents, refused)


def _folder_and_language(word: str) -> tuple[Path, str | None]:
    location, colon, language = word.rpartition(":")
    if not colon or Path(word).exists() or "/" in language:
        location, language = word, ""
    if not Path(location).is_dir():
        raise DataError(
            "no such folder." if not Path(location).exists() else "is a file, and the other side a folder.",
            where=location,
            next_step="Give two files, or two folders.",
        )
    return Path(location), language_code(language) if language else None


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def document_name(path: Path) -> str:
    """Return the name by which a document is paired: without suffixes of format and compression, and language.

    >>> names = "a/test0.de", "a/test0.fr.txt.gz", "de/1.txt", "news_de.txt", "v1.2.txt"
    >>> [document_name(Path(name)) for name in names]
    ['a/test0', 'a/test0', '1', 'news', 'v1.2']
    """
    *folders, last = path.parts
    parts = last.split(".")
    while len(parts) > 1 and (
        f".{parts[-1].lower()}" in COMPRESSIONS or parts[-1].lower() in _PLAIN or is_language_part(parts[-1])
    ):
        parts.pop()
    name = ".".join(parts)
    for mark in "_-":
        head, found, tail = name.rpartition(mark)
        if found and head and is_language_part(tail):
            name = head
    return "/".join([*(part for part in folders if not is_language_part(part)), name])


def match_by_name(ours: FolderDocuments, theirs: FolderDocuments) -> Matched:
    """Pair documents of one name.

    Raises:
        DataError: No two have one.
    """
    names = [name for name in ours.documents if name in theirs.documents]
    if not names:
        raise DataError(
            f"no document has the name of one in {theirs.folder}: {_some(ours)}; there {_some(theirs)}.",
            where=ours.folder,
            next_step="Name them alike (a/1.de.txt, b/1.en.txt), or pair them by what they hold: --pair-documents.",
        )
    return _matched(ours, theirs, [(name, name, None) for name in names])


def match_by_content(
    ours: FolderDocuments,
    theirs: FolderDocuments,
    encoder: Encoder,
    *,
    min_share: float = DEFAULT_MIN_SHARE,
    progress: Progress = silent,
) -> Matched:
    """Pair documents by the share of their sentences that translate each other."""
    names = list(ours.documents), list(theirs.documents)
    sides = list(ours.documents.values()), list(theirs.documents.values())
    found = pair_documents(*sides, encoder, min_share=min_share, progress=progress)
    return _matched(ours, theirs, [(names[0][pair.source], names[1][pair.target], pair.share) for pair in found])


def _matched(ours: FolderDocuments, theirs: FolderDocuments, pairs: Sequence[tuple[str, str, float | None]]) -> Matched:
    taken = {one for one, _, _ in pairs}, {other for _, other, _ in pairs}
    left = [
        tuple(name for name in side.documents if name not in names)
        for side, names in zip((ours, theirs), taken, strict=True)
    ]
    return Matched(tuple(pairs), (left[0], left[1]))


def _some(side: FolderDocuments) -> str:
    names = list(side.documents)
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def align_folders(
    ours: FolderDocuments,
    theirs: FolderDocuments,
    matched: Matched,
    encoder: Encoder,
    options: AlignOptions,
    *,
    progress: Progress = silent,
) -> Iterator[Alignment]:
    """Yield the alignment of each pair of documents, in order."""
    for done, (one, other, _) in enumerate(matched.pairs):
        progress("aligning documents", done, len(matched.pairs))
        yield align_documents(ours.documents[one], theirs.documents[other], encoder, options)
    progress("aligning documents", len(matched.pairs), len(matched.pairs))


@dataclass(frozen=True, slots=True)
class WrittenDocument:
    """Tell of a pair of documents what was written.

    Attributes:
        source: The source document's file.
        target: The target document's file.
        files: What was written.
        key: What it was written from.
        summary: Of the alignment.
    """

    source: str
    target: str
    files: tuple[str, ...]
    key: str
    summary: dict[str, Any]


def write_folder(
    ours: FolderDocuments,
    theirs: FolderDocuments,
    matched: Matched,
    encoder: Encoder,
    options: AlignOptions,
    *,
    out: Path,
    format: AlignedFormat = AlignedFormat.TSV,
    progress: Progress = silent,
) -> list[WrittenDocument]:
    """Align documents and write a file for each pair into a folder; those that are there are not aligned again.

    ``aligned.json`` in the folder says which document became which file, and from what.
    """
    record = out / _RECORD
    known = {each["key"]: each for each in read_json(record)} if record.is_file() else {}
    written: list[WrittenDocument] = []
    for done, (one, other, _) in enumerate(matched.pairs):
        progress("aligning documents", done, len(matched.pairs))
        source, target = ours.documents[one], theirs.documents[other]
        path = out / f"{one}.{format}"
        key = _key(source, target, encoder, options, path.name)
        before = known.get(key)
        if before is not None and all((out / file).is_file() for file in before["files"]):
            written.append(WrittenDocument(**{**before, "files": tuple(before["files"])}))
            continue
        alignment = align_documents(source, target, encoder, options)
        files = tuple(file.relative_to(out).as_posix() for file in alignment.write(path, format=format))
        written.append(WrittenDocument(source.name, target.name, files, key, alignment.summary()))
        write_json(record, [asdict(each) for each in written])
    progress("aligning documents", len(matched.pairs), len(matched.pairs))
    write_json(record, [asdict(each) for each in written])
    return written


def _key(source: Document, target: Document, encoder: Encoder, options: AlignOptions, name: str) -> str:
    settings = json.dumps(asdict(options), sort_keys=True)
    sides = [json.dumps([side.language, side.numbers, side.ids, side.sentences]) for side in (source, target)]
    return key_of_parts(_FORMAT, encoder.fingerprint, str(encoder.precision), settings, *sides, name)
