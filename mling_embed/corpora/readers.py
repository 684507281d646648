"""`read_input`: every row of an input becomes a `Pair`, or a `Reject` that says why it is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from mling_embed.corpora.archives import holds_members, label_of, open_members, open_plain
from mling_embed.corpora.corpus_input import CorpusInput
from mling_embed.corpora.foreign_errors import foreign_errors
from mling_embed.corpora.formats import Format, OpenFile, format_named
from mling_embed.corpora.lines import Decoding
from mling_embed.corpora.records import Pair, Reject
from mling_embed.errors import DataError, UsageError


def read_input(source: CorpusInput, *, decoding: Decoding = Decoding.QUARANTINE) -> Iterator[tuple[str, Pair | Reject]]:
    """Yield each row of an input with the file (or archive member) that it stands in.

    Raises:
        UsageError: Its format is not known, or takes another number of files.
        DataError: A file is missing or not in its format, or the sides of a Moses pair have unequal lengths.
        DamagedFileError: A file is damaged.
    """
    kind = format_named(source.format)
    if len(source.paths) != kind.files:
        what = f"input '{source.name}': {kind.name} takes {kind.files} file(s), {len(source.paths)} given."
        raise UsageError(what)
    located = source.located()
    if kind.files == 1 and holds_members(located[0][0]):
        path, pattern = located[0]
        for name, stream in open_members(path, pattern or "*"):
            label = label_of(path, name)
            for row in _rows(kind, [OpenFile(stream, label)], source, label, decoding):
                yield label, row
        return
    with ExitStack() as stack:
        files = [stack.enter_context(_opened(path, member)) for path, member in located]
        label = files[-1].where if files else str(source.dataset)
        for row in _rows(kind, files, source, label, decoding):
            yield label, row


def _rows(
    kind: Format, files: list[OpenFile], source: CorpusInput, label: str, decoding: Decoding
) -> Iterator[Pair | Reject]:
    rows = None
    while True:
        with foreign_errors(label, f"cannot be read as {kind.name}", kind=DataError, next_step="Check its format."):
            rows = kind.read(files, source, decoding) if rows is None else rows
            row = next(rows, None)
        if row is None:
            return
        yield row


@contextmanager
def _opened(path: Path, member: str | None) -> Iterator[OpenFile]:
    """Open a file, or the one member of an archive that a pattern means."""
    if member is None and not holds_members(path):
        with open_plain(path) as stream:
            yield OpenFile(stream, str(path))
        return
    members = open_members(path, member or "*")
    try:
        name, stream = next(members)
        yield OpenFile(stream, label_of(path, name))
    finally:
        members.close()
