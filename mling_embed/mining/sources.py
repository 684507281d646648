"""Where sentences come from: lists, text files, JSON lines, Parquet, and folders of such files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from io import BufferedIOBase
from itertools import chain, islice
from pathlib import Path
from typing import Any

from mling_embed.corpora.archives import COMPRESSIONS, is_archive, open_plain, plain_name
from mling_embed.corpora.file_names import is_language_part
from mling_embed.corpora.lines import Decoding, Line, on_one_line, read_lines
from mling_embed.corpora.records import Reason, Reject
from mling_embed.errors import DamagedFileError, DataError, UsageError
from mling_embed.languages import UNKNOWN_LANGUAGE, is_known, language_code

_SAMPLED_LINES = 200
_TEXT_COLUMNS = ("text", "sentence", "content")
_ID_COLUMNS = ("id", "_id", "sentence_id")
_NO_LANGUAGE = frozenset({"txt", "tsv", "jsonl", "ndjson", "parquet", "text"})
_FLORES = re.compile(r"[a-z]{3}_[A-Z][a-z]{3}")


class Layout(StrEnum):
    """Name how the lines of a text file are written: told by a look at them, all text, or ``id<TAB>text``."""

    AUTO = "auto"
    TEXT = "text"
    ID_TEXT = "id-text"


@dataclass(frozen=True, slots=True)
class Sentence:
    """Hold a sentence as it was read.

    Attributes:
        id: Its id in the file; without one, its line (with the file's name before it in a folder), or place in a list.
        text: The text.
        line: The line in the file from 1; the number of the record in formats without lines.
    """

    id: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class SentenceSource:
    """Describe one side: texts at hand, or files.

    Attributes:
        language: Its language, ``und`` where nobody says.
        paths: The files in the order in which they are read.
        texts: The texts, where there are no files.
        layout: How lines of text files are written.
        columns: Names of the text's column and of the id's in JSON lines and Parquet; by default the usual ones.
    """

    language: str = UNKNOWN_LANGUAGE
    paths: tuple[Path, ...] = ()
    texts: Sequence[str] | None = None
    layout: Layout = Layout.AUTO
    columns: tuple[str | None, str | None] = (None, None)

    @property
    def name(self) -> str:
        """Return what to call it in messages."""
        return ", ".join(map(str, self.paths[:3])) + (", ..." if len(self.paths) > 3 else "") if self.paths else "texts"


def sentence_source(
    given: str | Path | Sequence[str] | SentenceSource,
    *,
    language: str | None = None,
    layout: Layout = Layout.AUTO,
    columns: tuple[str | None, str | None] = (None, None),
) -> SentenceSource:
    """Return the source that a list of texts, a path, or a command-line word ``PATH[:lang]`` means.

    A folder stands for all files in it, in the order of their names. Without a language, the name is looked at
    (``news.de``, ``de-en.de``, ``part-1.de.gz``).

    Raises:
        UsageError: The language is none, or a text is no string.
        DataError: There is no such file, or no file in the folder.
    """
    if isinstance(given, SentenceSource):
        return given
    code = None if language is None else language_code(language)
    if not isinstance(given, str | Path):
        texts = list(given)
        if (wrong := next((place for place, text in enumerate(texts) if not isinstance(text, str)), None)) is not None:
            raise UsageError(
                f"text {wrong} is a {type(texts[wrong]).__name__}, expected a string.",
                next_step="Give a list of strings, or the path of a file.",
            )
        return SentenceSource(code or UNKNOWN_LANGUAGE, texts=texts)
    path, named = _split_language(str(given))
    paths = tuple(_files_of(path))
    found = {_language_in(each) for each in paths}
    guessed = found.pop() if len(found) == 1 else None
    return SentenceSource(code or named or guessed or UNKNOWN_LANGUAGE, paths, layout=layout, columns=columns)


def read_sentences(
    source: SentenceSource, *, decoding: Decoding = Decoding.QUARANTINE
) -> Iterator[tuple[str, Sentence | Reject]]:
    """Yield every row of a source with the file that it stands in; what is no sentence comes as a reject.

    Raises:
        DataError: A file is not in its format.
        DamagedFileError: A file is damaged.
    """
    if source.texts is not None:
        for place, text in enumerate(source.texts):
            yield "texts", Sentence(str(place), text, place)
        return
    for path in source.paths:
        prefix = f"{path.name}:" if len(source.paths) > 1 else ""
        with open_plain(path) as stream:
            for row in _rows(stream, path, source, decoding):
                if prefix and isinstance(row, Sentence) and row.id == str(row.line):
                    row = Sentence(prefix + row.id, row.text, row.line)
                yield str(path), row


def _rows(
    stream: BufferedIOBase, path: Path, source: SentenceSource, decoding: Decoding
) -> Iterator[Sentence | Reject]:
    match Path(plain_name(path)).suffix.lower():
        case ".jsonl" | ".ndjson":
            return _read_jsonl(stream, path, source, decoding)
        case ".parquet":
            return _read_parquet(path, source)
        case ".csv" | ".tmx" | ".po" | ".json":
            raise UsageError(
                "a side of a mining is sentences: text lines, JSON lines or Parquet.",
                where=path,
                next_step="Write one sentence a line, or see 'mling-embed score' for files of pairs.",
            )
        case _:
            return _read_text(stream, path, source, decoding)


def _read_text(
    stream: BufferedIOBase, path: Path, source: SentenceSource, decoding: Decoding
) -> Iterator[Sentence | Reject]:
    lines = read_lines(stream, decoding=decoding, where=path)
    sample = list(islice(lines, _SAMPLED_LINES))
    with_ids = source.layout is Layout.ID_TEXT or (source.layout is Layout.AUTO and _have_ids(sample))
    if source.layout is Layout.AUTO and not with_ids and sum("\t" in line.text for line in sample) * 2 > len(sample):
        raise DataError(
            "its lines have tabs, but are not 'id<TAB>text' with an id of its own on each.",
            where=path,
            next_step="Cut the column out, or say what the lines are: --layout text or --layout id-text. "
            "Pairs that are there already are judged by mling-embed score.",
        )
    for number, text, reason in chain(sample, lines):
        if reason is not None:
            yield Reject(reason, text, source.language, number)
        elif not with_ids:
            yield Sentence(str(number), text, number)
        else:
            name, tab, sentence = text.partition("\t")
            if tab and name.strip():
                yield Sentence(name, sentence, number)
            else:
                yield Reject(Reason.MALFORMED if text.strip() else Reason.EMPTY, text, source.language, number)


def _have_ids(sample: Sequence[Line]) -> bool:
    """Tell whether lines are ``id<TAB>text``: one tab in each, and before it one word that no other line has."""
    cells = [line.text.split("\t") for line in sample if line.text.strip() and line.reason is None]
    ids = {row[0] for row in cells}
    return bool(cells) and len(ids) == len(cells) and all(len(row) == 2 and _is_word(row[0]) for row in cells)


def _is_word(text: str) -> bool:
    return bool(text) and not any(character.isspace() for character in text)


def _read_jsonl(
    stream: BufferedIOBase, path: Path, source: SentenceSource, decoding: Decoding
) -> Iterator[Sentence | Reject]:
    names: tuple[str, str | None] | None = None
    for number, text, reason in read_lines(stream, decoding=decoding, where=path):
        if reason is not None:
            yield Reject(reason, text, source.language, number)
            continue
        try:
            row = json.loads(text)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            yield Reject(Reason.MALFORMED, text, source.language, number)
            continue
        names = names or _column_names(list(row), source, f"{path}:{number}")
        yield _sentence_of(row, names, source, number)


def _read_parquet(path: Path, source: SentenceSource) -> Iterator[Sentence | Reject]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.suffix.lower() in COMPRESSIONS:
        raise UsageError("a compressed Parquet file.", where=path, next_step="Unpack it: Parquet compresses by itself.")
    try:
        with pq.ParquetFile(path) as file:
            names = _column_names(file.schema_arrow.names, source, str(path))
            number = 0
            for batch in file.iter_batches(batch_size=8192, columns=[name for name in names if name is not None]):
                for row in batch.to_pylist():
                    number += 1
                    yield _sentence_of(row, names, source, number)
    except (pa.ArrowException, OSError) as error:
        raise DamagedFileError(
            f"not a Parquet file, or damaged ({error}).", where=path, next_step="Fetch it again."
        ) from error


def _column_names(present: Sequence[str], source: SentenceSource, where: str) -> tuple[str, str | None]:
    """Return the columns of the text and of the id: as given, else by the usual names.

    Raises:
        DataError: They are not there.
    """
    text, identifier = source.columns
    usual = (*_TEXT_COLUMNS, source.language)
    text_name = text or next((name for name in usual if name in present), None)
    id_name = identifier or next((name for name in _ID_COLUMNS if name in present), None)
    if missing := [name for name in (text_name or "text", id_name) if name is not None and name not in present]:
        raise DataError(
            f"no column {' and no column '.join(missing)}; there are {', '.join(map(str, present)) or 'none'}.",
            where=where,
            next_step="Name the columns: --text-column and --id-column.",
        )
    return str(text_name), id_name


def _sentence_of(
    row: dict[str, Any], names: tuple[str, str | None], source: SentenceSource, number: int
) -> Sentence | Reject:
    text, identifier = row.get(names[0]), number if names[1] is None else row.get(names[1])
    if not isinstance(text, str) or not isinstance(identifier, str | int) or isinstance(identifier, bool):
        return Reject(Reason.MALFORMED, json.dumps(row, ensure_ascii=False, default=str), source.language, number)
    return Sentence(on_one_line(str(identifier)), on_one_line(text), number)


def _split_language(text: str) -> tuple[Path, str | None]:
    location, colon, language = text.rpartition(":")
    if not colon or Path(text).exists() or "/" in language or "\\" in language:
        return Path(text), None
    return Path(location), language_code(language)


def _files_of(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        if not path.exists():
            raise DataError("no such file.", where=path, next_step="Give a file of sentences, or a folder of them.")
        _refuse_archive(path)
        yield path
        return
    files = sorted(
        (each for each in path.rglob("*") if each.is_file() and not each.name.startswith(".")),
        key=lambda each: each.relative_to(path).as_posix(),
    )
    if not files:
        raise DataError("no files in this folder.", where=path, next_step="Give a folder with files of sentences.")
    for each in files:
        _refuse_archive(each)
        yield each


def _refuse_archive(path: Path) -> None:
    if is_archive(path):
        raise UsageError("is an archive.", where=path, next_step="Unpack it and give the file, or the folder.")


def _language_in(path: Path) -> str | None:
    """Return the language that a file's name ends with, or is (``news.de``, ``x.de.txt.gz``, ``de.txt``), or `None`."""
    parts = [part for part in plain_name(path).split(".") if part.lower() not in _NO_LANGUAGE]
    for part in reversed(parts):
        if is_language_part(part) or (_FLORES.fullmatch(part) and is_known(part)):
            return language_code(part)
    return None
