"""What the tests of the readers share: a file written, an input read."""

from __future__ import annotations

from pathlib import Path

from mling_embed.corpora.corpus_input import CorpusInput
from mling_embed.corpora.inputs import guess_input
from mling_embed.corpora.lines import Decoding
from mling_embed.corpora.readers import read_input
from mling_embed.corpora.records import Pair, Reason, Reject


def write(path: Path, data: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def rows(source: CorpusInput | str, decoding: Decoding = Decoding.QUARANTINE) -> list[Pair | Reject]:
    source = guess_input(source) if isinstance(source, str) else source
    return [row for _, row in read_input(source, decoding=decoding)]


def pairs(source: CorpusInput | str) -> list[tuple[str, str | None, str | None]]:
    return [(row.english, row.other, row.language) for row in rows(source) if isinstance(row, Pair)]


def reasons(source: CorpusInput | str) -> list[Reason]:
    return [row.reason for row in rows(source) if isinstance(row, Reject)]
