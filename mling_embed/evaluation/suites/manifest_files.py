"""What suites ask of the manifest that their files come from: its revision, the files of a split, and their rows."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from io import BufferedIOBase

from mling_embed.corpora.archives import is_archive, label_of, open_members, open_plain
from mling_embed.corpora.fetching import resolve
from mling_embed.corpora.lines import Decoding, read_lines
from mling_embed.corpora.manifests import Manifest, SplitFile
from mling_embed.errors import DamagedFileError, UsageError
from mling_embed.evaluation.suites import is_wanted
from mling_embed.evaluation.suites.table_rows import table_rows


def revision_of(manifest: Manifest) -> str:
    """Return the commit in the address of a manifest's first file, or an empty string."""
    first = next((file.url for file in manifest.files() if file.url), "") or ""
    found = re.search(r"/([0-9a-f]{40})/", first)
    return found.group(1) if found else ""


def files_by_language(manifest: Manifest, split: str, languages: Collection[str] | None = None) -> dict[str, SplitFile]:
    """Return the file of each wanted language in a split, English first.

    Raises:
        UsageError: The manifest has no such split.
    """
    splits = {each.name: each for each in manifest.splits}
    if split not in splits:
        raise UsageError(f"the manifest {manifest.name} has no split '{split}'; there are {', '.join(splits)}.")
    found = {
        file.language: file
        for file in splits[split].files
        if file.language is not None and is_wanted(file.language, languages)
    }
    return dict(sorted(found.items(), key=lambda each: (each[0] != "en", each[0])))


def read_parts(file: SplitFile, parts: Sequence[str]) -> list[tuple[str, ...]]:
    """Read the named parts of each row of a TSV, CSV or JSON-lines file, in an archive or not, as its manifest says.

    Raises:
        DamagedFileError: A row lacks a part.
        DataError: The file cannot be had or read.
    """
    path = resolve(file)
    if is_archive(path):
        rows = [
            row
            for name, stream in open_members(path, file.member or "*")
            for row in _rows(file, stream, label_of(path, name), parts)
        ]
    else:
        with open_plain(path) as stream:
            rows = list(_rows(file, stream, str(path), parts))
    return rows


def _rows(file: SplitFile, stream: BufferedIOBase, where: str, parts: Sequence[str]) -> Iterator[tuple[str, ...]]:
    columns = [file.columns[part] for part in parts]
    if file.format == "jsonl":
        for line in read_lines(stream, decoding=Decoding.STRICT, where=where):
            values = json.loads(line.text)
            if missing := [column for column in columns if column not in values]:
                raise DamagedFileError(f"the row has no {missing[0]}.", where=f"{where}:{line.number}")
            yield tuple(str(values[column]) for column in columns)
        return
    rows = table_rows(stream, delimiter="," if file.format == "csv" else "\t", where=where)
    header = rows[0][1] if file.header else []
    if missing := [column for column in columns if isinstance(column, str) and column not in header]:
        raise DamagedFileError(f"no column {missing[0]}; there are {', '.join(header)}.", where=f"{where}:1")
    places = [header.index(column) if isinstance(column, str) else column for column in columns]
    for number, cells in rows[1 if file.header else 0 :]:
        if len(cells) <= max(places):
            raise DamagedFileError(f"{len(cells)} columns, expected {max(places) + 1}.", where=f"{where}:{number}")
        yield tuple(cells[place] for place in places)
