"""The sentences of the test sets that the manifests name, as far as their files are at hand."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path
from typing import Any, cast

from mling_embed.corpora.archives import is_archive, open_members, open_plain
from mling_embed.corpora.fetching import resolve
from mling_embed.corpora.lines import LINE_LIMIT, read_lines
from mling_embed.corpora.manifests import Role, SplitFile, manifests_with_role
from mling_embed.errors import DamagedFileError, DataError
from mling_embed.progress import Progress, silent

_SQUAD_TEXTS = frozenset({"question", "context", "sentences", "text"})


class EvaluationSentences:
    """Iterate over every sentence of every test split, without the network.

    Args:
        progress: Told the sets done.

    Attributes:
        checked: The sets of which every file was read; filled by iterating.
        not_checked: The sets of which a file is missing, damaged, or on the hub only; filled by iterating.
    """

    __test__ = False  # pytest: not a class of tests

    def __init__(self, *, progress: Progress = silent) -> None:
        self._progress = progress
        self.checked: list[str] = []
        self.not_checked: list[str] = []

    def __iter__(self) -> Iterator[str]:
        self.checked, self.not_checked = [], []
        manifests = manifests_with_role(Role.TEST)
        for done, manifest in enumerate(manifests, 1):
            files = manifest.files(Role.TEST)
            whole = bool(files)
            for file in files:
                try:
                    yield from sentences_in_file(file, resolve(file, download=False))
                except (DataError, DamagedFileError):
                    whole = False
            (self.checked if whole else self.not_checked).append(manifest.name)
            self._progress("reading test sets", done, len(manifests))


def sentences_in_file(file: SplitFile, path: Path) -> Iterator[str]:
    """Yield the sentences of one file of a manifest, in every language that it holds.

    Raises:
        DataError: It is not in the format that the manifest names.
        DamagedFileError: It is cut short.
    """
    if file.format == "auxiliary":
        return
    if is_archive(path):
        for name, stream in open_members(path, file.member or "*"):
            yield from _texts(file, stream, f"{path}!{name}")
    else:
        with open_plain(path) as stream:
            yield from _texts(file, stream, str(path))


def _texts(file: SplitFile, stream: BufferedIOBase, where: str) -> Iterator[str]:
    match file.format:
        case "lines" | "moses":
            return (line.text for line in read_lines(stream, where=where))
        case "id-text":
            return (line.text.partition("\t")[2] for line in read_lines(stream, where=where))
        case "tsv":
            return _cells(file, (line.text.split("\t") for line in read_lines(stream, where=where)))
        case "csv":
            return _cells(file, _csv_rows(stream))
        case "jsonl":
            return _values(file, (json.loads(line.text) for line in read_lines(stream, where=where)))
        case "squad":
            return _squad_texts(json.loads(stream.read()), wanted=False)
        case _:
            raise DataError(f"sentences of a test set in {file.format} are not read.", where=where)


def _csv_rows(stream: BufferedIOBase) -> Iterator[list[str]]:
    csv.field_size_limit(LINE_LIMIT)
    text = io.TextIOWrapper(cast(io.BufferedReader, stream), "utf-8-sig", "replace", newline="")
    try:
        yield from csv.reader(text)
    finally:
        text.detach()


def _cells(file: SplitFile, rows: Iterator[list[str]]) -> Iterator[str]:
    columns = list(file.text_columns().values())
    header = next(rows, []) if file.header else []
    places = [
        column if isinstance(column, int) else header.index(column) for column in columns if _known(column, header)
    ]
    wanted = [(header.index(column), value) for column, value in file.where.items() if _known(column, header)]
    for row in rows:
        if any(place >= len(row) or row[place] != value for place, value in wanted):
            continue
        for place in places:
            if place < len(row):
                yield row[place]


def _known(column: int | str, header: list[str]) -> bool:
    if isinstance(column, str) and column not in header:
        raise DataError(f"no column {column}; there are {', '.join(header)}.")
    return True


def _values(file: SplitFile, rows: Iterator[Any]) -> Iterator[str]:
    for row in rows:
        for column in file.text_columns().values():
            if isinstance(row, dict) and isinstance(row.get(str(column)), str):
                yield row[str(column)]


def _squad_texts(value: Any, *, wanted: bool) -> Iterator[str]:
    """Yield the strings that stand under the keys of questions, paragraphs and sentences."""
    if isinstance(value, str):
        if wanted:
            yield value
    elif isinstance(value, list):
        for item in value:
            yield from _squad_texts(item, wanted=wanted)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _squad_texts(item, wanted=key in _SQUAD_TEXTS)
