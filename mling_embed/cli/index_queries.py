"""What ``index search`` asks: queries and conditions, as the command line has them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mling_embed.cli.console import say
from mling_embed.errors import DataError, UsageError

if TYPE_CHECKING:
    from io import BufferedIOBase

_SUFFIXES = (".txt", ".tsv", ".csv", ".jsonl", ".gz", ".xz", ".zst")  # of what is meant as a file of queries


def read_queries(words: list[str], *, literally: bool) -> Iterator[str]:
    """Yield the queries: words, the lines of files that are named, or those of standard input."""
    from mling_embed.corpora.archives import open_plain
    from mling_embed.corpora.lines import Decoding, read_lines

    if not words:
        if sys.stdin.isatty():
            say("Reading queries from the terminal, one a line; Ctrl-D ends them.")
        stream = cast("BufferedIOBase", sys.stdin.buffer)
        lines = read_lines(stream, decoding=Decoding.STRICT, where="standard input")
        yield from (line.text for line in lines if line.text.strip())
        return
    for word in words:
        if not word.strip():
            raise UsageError("an empty query finds nothing.", next_step="Give words, or a file of queries.")
        if literally or not _is_file(word):
            if not literally and _has_a_file_s_name(word):
                raise DataError("no such file.", where=word, next_step="To find its name as words: --text.")
            yield word
            continue
        with open_plain(Path(word)) as stream:
            lines = read_lines(stream, decoding=Decoding.STRICT, where=word)
            yield from (line.text for line in lines if line.text.strip())


def _is_file(word: str) -> bool:
    try:
        return Path(word).is_file()
    except (OSError, ValueError):
        return False


def _has_a_file_s_name(word: str) -> bool:
    return word.lower().endswith(_SUFFIXES) and not any(character.isspace() for character in word)


def parts(queries: Iterable[str], size: int) -> Iterator[list[str]]:
    """Yield queries, so many at a time."""
    part: list[str] = []
    for query in queries:
        part.append(query)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part


def conditions_of(conditions: list[str]) -> dict[str, list[Any]]:
    """Return the values of each field; one that is a number or true is also looked for as such."""
    values: dict[str, list[Any]] = {}
    for condition in conditions:
        name, equals, value = condition.partition("=")
        if not equals or not name:
            raise UsageError(f"--where is '{condition}'; expected FIELD=VALUE.")
        values.setdefault(name, []).append(value)
        try:
            values[name].append(json.loads(value))
        except ValueError:
            continue
    return values
