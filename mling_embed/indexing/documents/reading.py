"""Readers of documents: lines, TSV, JSON lines, Parquet and folders of text files become entries of an index."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BufferedIOBase
from itertools import islice
from pathlib import Path
from typing import Any

from mling_embed.corpora.archives import open_plain, plain_name, require_file
from mling_embed.corpora.lines import read_lines
from mling_embed.corpora.records import Reason, Reject
from mling_embed.errors import DataError, MlingEmbedError, UsageError
from mling_embed.indexing.documents.splitting import PieceKind, TokenCounts, split_text
from mling_embed.indexing.language_guess import guess_languages
from mling_embed.indexing.storage.rows import Entry
from mling_embed.languages import UNKNOWN_LANGUAGE, language_code

TEXT_SUFFIXES = (".txt", ".text", ".md", ".lines")
_TABLE_SUFFIXES = (".tsv", ".jsonl", ".ndjson", ".parquet")
_USUAL = {"text": ("text", "sentence", "content"), "id": ("id", "_id"), "language": ("language", "lang")}
_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class Reading:
    """Say how documents are read.

    Attributes:
        language: Of all texts whose file does not say it; guessed by lingua by default.
        guess: Whether languages are guessed.
        columns: The columns that hold ``text``, ``id`` and ``language``, by name; by number in a TSV without a header.
        split: What texts are split into.
        limit: Tokens that the model reads; `None` if it reads any number.
        token_counts: Counts the tokens of texts, for splitting.
    """

    language: str | None = None
    guess: bool = True
    columns: Mapping[str, str] = field(default_factory=dict)
    split: PieceKind = PieceKind.NONE
    limit: int | None = None
    token_counts: TokenCounts | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """Hold a text that was not taken in: where it stands, and why."""

    where: str
    reject: Reject


def files_of(paths: Iterable[Path]) -> list[tuple[Path, str]]:
    """Return the files that are meant, folders opened, each with the name that its texts are named by.

    Raises:
        DataError: There is no such file, or a folder holds no text file.
        UsageError: A file is of a kind that is not read, or two files have one name.
    """
    found: list[tuple[Path, str]] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(each for each in path.rglob("*") if each.is_file() and _kind(each))
            if not inside:
                raise DataError(
                    f"the folder holds no file that can be read ({', '.join((*TEXT_SUFFIXES, *_TABLE_SUFFIXES))}).",
                    where=path,
                )
            found += [(each, each.relative_to(path).as_posix()) for each in inside]
        else:
            require_file(path)
            found.append((path, path.name))
    names = [name for _, name in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(
            f"two files are called {twice[0]}: their texts would have the same ids.",
            next_step="Add the folder that holds both, or give ids in a column.",
        )
    return found


def _kind(path: Path) -> str:
    suffix = Path(plain_name(path)).suffix.lower()
    return suffix if suffix in (*TEXT_SUFFIXES, *_TABLE_SUFFIXES) else ""


def read_documents(path: Path, name: str, reading: Reading) -> Iterator[Entry | Rejected]:
    """Yield the entries of a file, and what could not be used of it.

    An id is the file's name and line where the file gives none; pieces of a split text have their number beside it.

    Args:
        path: The file: .txt, .tsv, .jsonl or .parquet, also compressed. One of another suffix is read as lines.
        name: The document's name.
        reading: How.

    Raises:
        DataError: The file is not in its format, or holds no column of texts.
        DamagedFileError: It is cut short.
    """
    match _kind(path):
        case ".parquet":
            records = _parquet_records(path, name, reading)
        case ".tsv":
            records = _with_stream(path, name, reading, _tsv_records)
        case ".jsonl" | ".ndjson":
            records = _with_stream(path, name, reading, _jsonl_records)
        case _:
            records = _with_stream(path, name, reading, _line_records)
    while part := list(islice(records, _AT_ONCE)):
        yield from _split(_with_languages(part, reading), reading)


def _with_stream(path: Path, name: str, reading: Reading, read: Any) -> Iterator[Entry | Rejected]:
    with open_plain(path) as stream:
        yield from read(stream, path, name, reading)


def _line_records(stream: BufferedIOBase, path: Path, name: str, reading: Reading) -> Iterator[Entry | Rejected]:
    for number, text, reason in read_lines(stream, where=path):
        if reason is not None or not text.strip():
            yield _rejected(path, reason or Reason.EMPTY, text, number)
        else:
            yield Entry(f"{name}:{number}", text, _given(reading), document=name)


def _tsv_records(stream: BufferedIOBase, path: Path, name: str, reading: Reading) -> Iterator[Entry | Rejected]:
    header: list[str] = []
    numbered = bool(reading.columns) and all(column.isdigit() for column in reading.columns.values())
    for number, text, reason in read_lines(stream, where=path):
        cells = text.split("\t")
        if not header:
            header = [str(place) for place in range(len(cells))] if numbered else cells
            _columns(header, reading, f"{path}:{number}")
            if not numbered:
                continue
        if reason is not None or len(cells) != len(header):
            yield _rejected(path, reason or Reason.MALFORMED, text, number)
        else:
            yield _record(dict(zip(header, cells, strict=True)), path, name, reading, number)


def _jsonl_records(stream: BufferedIOBase, path: Path, name: str, reading: Reading) -> Iterator[Entry | Rejected]:
    for number, text, reason in read_lines(stream, where=path):
        try:
            value = json.loads(text) if reason is None else None
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            yield _rejected(path, reason or (Reason.MALFORMED if text.strip() else Reason.EMPTY), text, number)
        else:
            yield _record(value, path, name, reading, number)


def _parquet_records(path: Path, name: str, reading: Reading) -> Iterator[Entry | Rejected]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    require_file(path)
    try:
        with pq.ParquetFile(path) as file:
            columns = [column for column in file.schema_arrow.names if column != "vector"]
            number = 0
            for batch in file.iter_batches(batch_size=_AT_ONCE, columns=columns):
                for row in batch.to_pylist():
                    number += 1
                    yield _record(row, path, name, reading, number)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"not Parquet ({str(error).splitlines()[0]}).", where=path) from None


def _columns(present: Iterable[str], reading: Reading, where: str) -> dict[str, str]:
    """Return the columns of text, id and language.

    Raises:
        DataError: A column that was named, or one of texts, is not there.
    """
    there = list(present)
    names = {part: str(column) for part, column in reading.columns.items()}
    for part, usual in _USUAL.items():
        if part not in names and (found := [column for column in usual if column in there]):
            names[part] = found[0]
    missing = {part: column for part, column in {"text": "text", **names}.items() if column not in there}
    if missing:
        part, column = next(iter(missing.items()))
        raise DataError(
            f"no column '{column}'; there are {', '.join(map(str, there[:20]))}.",
            where=where,
            next_step=f"Name the column of {part}s: --{part}-column NAME (its number, from 0, without a header).",
        )
    return names


def _record(row: Mapping[str, Any], path: Path, name: str, reading: Reading, number: int) -> Entry | Rejected:
    names = _columns(row, reading, f"{path}:{number}")
    text = row[names["text"]]
    id_ = row.get(names.get("id", ""), None)
    language = row.get(names.get("language", ""), None)
    if not isinstance(text, str) or not (language is None or isinstance(language, str)):
        return _rejected(path, Reason.MALFORMED, json.dumps(dict(row), ensure_ascii=False, default=str), number)
    if not text.strip():
        return _rejected(path, Reason.EMPTY, text, number)
    known = dict(row["metadata"]) if isinstance(row.get("metadata"), Mapping) else {}
    known |= {
        key: value for key, value in row.items() if key not in (*names.values(), "metadata") and value is not None
    }
    try:
        code = _given(reading) if not language else language_code(language)
    except MlingEmbedError:
        return _rejected(path, Reason.WRONG_LANGUAGE, f"{language}: {text}", number)
    return Entry(f"{name}:{number}" if id_ in (None, "") else str(id_), text, code, document=name, metadata=known)


def _given(reading: Reading) -> str:
    return UNKNOWN_LANGUAGE if reading.language is None else language_code(reading.language)


def _rejected(path: Path, reason: Reason, text: str, number: int) -> Rejected:
    return Rejected(f"{path}:{number}", Reject(reason, text[:200], None, number))


def _with_languages(part: list[Entry | Rejected], reading: Reading) -> Iterator[Entry | Rejected]:
    """Guess the languages that nobody gave."""
    unknown = [
        place
        for place, each in enumerate(part)
        if reading.guess and isinstance(each, Entry) and each.language == UNKNOWN_LANGUAGE
    ]
    texts = [each.text for place in unknown if isinstance(each := part[place], Entry)]
    guessed = dict(zip(unknown, guess_languages(texts) if texts else [], strict=True))
    for place, each in enumerate(part):
        language = guessed.get(place, UNKNOWN_LANGUAGE)
        if isinstance(each, Entry) and language != UNKNOWN_LANGUAGE:
            each = dataclasses.replace(each, language=language, guessed=True)
        yield each


def _no_tokens(texts: Sequence[str]) -> list[int]:
    return [0] * len(texts)


def _split(part: Iterable[Entry | Rejected], reading: Reading) -> Iterator[Entry | Rejected]:
    for each in part:
        if isinstance(each, Rejected) or reading.split is PieceKind.NONE:
            yield each
            continue
        pieces = split_text(
            each.text,
            language=each.language,
            split=reading.split,
            limit=reading.limit,
            token_counts=reading.token_counts or _no_tokens,
        )
        for number, piece in enumerate(pieces, 1):
            id_ = each.id if len(pieces) == 1 else f"{each.id}#{number}"
            yield dataclasses.replace(each, id=id_, text=piece.text, start=piece.start, end=piece.end)
