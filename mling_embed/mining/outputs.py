"""Files of mined pairs: TSV, Moses, TMX, JSON lines and Parquet, best pair first."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import IO, Any, Protocol, cast, runtime_checkable
from xml.sax.saxutils import escape, quoteattr

from mling_embed.errors import UsageError
from mling_embed.files import atomic_writer
from mling_embed.languages import UNKNOWN_LANGUAGE
from mling_embed.mining.mined_pair import MinedPair

ID_SEPARATOR = " "
_ROWS_PER_BATCH = 8192
_BREAKS = str.maketrans({"\t": " ", "\n": " ", "\r": " "})


@runtime_checkable
class PairOfTexts(Protocol):
    """What is written of a pair in every format: its score, both texts, and the ids of the sentences in them."""

    @property
    def score(self) -> float:
        """How well the sides fit."""

    @property
    def source(self) -> str:
        """The source side."""

    @property
    def target(self) -> str:
        """The target side."""

    @property
    def source_ids(self) -> tuple[str, ...]:
        """The ids of the source side."""

    @property
    def target_ids(self) -> tuple[str, ...]:
        """The ids of the target side."""


class OutputFormat(StrEnum):
    """Name how pairs are written; Moses is two files, ``OUT.de`` and ``OUT.en``."""

    TSV = "tsv"
    MOSES = "moses"
    TMX = "tmx"
    JSONL = "jsonl"
    PARQUET = "parquet"


_SUFFIXES = {
    ".tsv": OutputFormat.TSV,
    ".txt": OutputFormat.TSV,
    ".moses": OutputFormat.MOSES,
    ".tmx": OutputFormat.TMX,
    ".jsonl": OutputFormat.JSONL,
    ".ndjson": OutputFormat.JSONL,
    ".parquet": OutputFormat.PARQUET,
}


def format_of(path: Path) -> OutputFormat:
    """Return the format that a file's suffix names.

    Raises:
        UsageError: It names none.
    """
    if path.is_dir():
        raise UsageError("is a folder, expected a file.", where=path, next_step=f"Give {path / 'mined.tsv'}.")
    if path.suffix.lower() not in _SUFFIXES:
        raise UsageError(
            f"pairs are not written as '{path.suffix}'.",
            where=path,
            next_step=f"Use one of {' '.join(_SUFFIXES)}.",
        )
    return _SUFFIXES[path.suffix.lower()]


def column_names(languages: tuple[str, str]) -> tuple[str, str]:
    """Return the names of the columns of both sides: their languages, as far as they tell the sides apart.

    >>> column_names(("de", "en")), column_names(("en", "en")), column_names(("und", "en"))
    (('de', 'en'), ('sentence1', 'sentence2'), ('source', 'en'))
    """
    source, target = languages
    if source == target:
        return "sentence1", "sentence2"
    return ("source" if source == UNKNOWN_LANGUAGE else source), ("target" if target == UNKNOWN_LANGUAGE else target)


def tsv_rows(
    pairs: Iterable[PairOfTexts], *, languages: tuple[str, str], with_ids: bool = False
) -> Iterator[tuple[str, ...]]:
    """Yield the cells of a TSV of pairs, the header first: ``score``, both sides, and the ids of both if wanted."""
    names = column_names(languages)
    yield ("score", *names, *(f"{name}_ids" for name in names if with_ids))
    for pair in pairs:
        ids = (ID_SEPARATOR.join(pair.source_ids), ID_SEPARATOR.join(pair.target_ids)) if with_ids else ()
        yield (f"{pair.score:.6f}", pair.source, pair.target, *ids)


def pair_record(pair: MinedPair, *, languages: tuple[str, str]) -> dict[str, Any]:
    """Return a pair as plain values: its score, both sides under their languages, and all that is known of it."""
    source, target = column_names(languages)
    return {
        "score": pair.score,
        source: pair.source,
        target: pair.target,
        f"{source}_ids": list(pair.source_ids),
        f"{target}_ids": list(pair.target_ids),
        "cosine": pair.cosine,
        "margin": pair.score,
        "rank": pair.rank,
        "direction": str(pair.direction),
        "forward_rank": pair.forward_rank,
        "backward_rank": pair.backward_rank,
    }


def write_pairs(
    pairs: Iterable[PairOfTexts],
    path: Path,
    *,
    languages: tuple[str, str],
    format: OutputFormat | None = None,
    with_ids: bool = False,
) -> list[Path]:
    """Write pairs whole, or not at all, and return the files.

    Args:
        pairs: In their order; mined ones for JSON lines and Parquet.
        path: Where; for Moses its suffix gives way to the languages.
        languages: Of the sources and of the targets.
        format: By default the one that the suffix names.
        with_ids: Whether a TSV has the ids too; JSON lines and Parquet always have them.

    Raises:
        UsageError: The suffix names no format.
    """
    format = format or format_of(path)
    if format is OutputFormat.MOSES:
        return _write_moses(pairs, path, languages)
    with atomic_writer(path) as file:
        match format:
            case OutputFormat.TSV:
                for cells in tsv_rows(pairs, languages=languages, with_ids=with_ids):
                    _write_line(file, "\t".join(cell.translate(_BREAKS) for cell in cells))
            case OutputFormat.JSONL:
                for pair in cast(Iterable[MinedPair], pairs):
                    _write_line(file, json.dumps(pair_record(pair, languages=languages), ensure_ascii=False))
            case OutputFormat.TMX:
                _write_tmx(pairs, file, languages)
            case OutputFormat.PARQUET:
                _write_parquet(cast(Iterable[MinedPair], pairs), file, languages)
    return [path]


def _write_line(file: IO[bytes], text: str) -> None:
    file.write(text.encode() + b"\n")


def _write_moses(pairs: Iterable[PairOfTexts], path: Path, languages: tuple[str, str]) -> list[Path]:
    paths = [path.with_suffix(f".{name}") for name in column_names(languages)]
    with ExitStack() as stack:
        source, target = (stack.enter_context(atomic_writer(each)) for each in paths)
        for pair in pairs:
            _write_line(source, pair.source.translate(_BREAKS))
            _write_line(target, pair.target.translate(_BREAKS))
    return paths


def _write_tmx(pairs: Iterable[PairOfTexts], file: IO[bytes], languages: tuple[str, str]) -> None:
    source, target = (quoteattr(language) for language in languages)
    _write_line(file, '<?xml version="1.0" encoding="UTF-8"?>\n<tmx version="1.4">')
    _write_line(
        file,
        '<header creationtool="mling_embed" creationtoolversion="1" segtype="sentence" o-tmf="tsv" '
        f'adminlang="en" srclang={source} datatype="plaintext"/>\n<body>',
    )
    for pair in pairs:
        sides = "".join(
            f"<tuv xml:lang={language}><seg>{escape(text)}</seg></tuv>"
            for language, text in ((source, pair.source), (target, pair.target))
        )
        _write_line(file, f'<tu><prop type="score">{pair.score:.6f}</prop>{sides}</tu>')
    _write_line(file, "</body>\n</tmx>")


def _write_parquet(pairs: Iterable[MinedPair], file: IO[bytes], languages: tuple[str, str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    source, target = column_names(languages)
    kinds = {
        "score": pa.float64(),
        source: pa.string(),
        target: pa.string(),
        f"{source}_ids": pa.list_(pa.string()),
        f"{target}_ids": pa.list_(pa.string()),
        "cosine": pa.float64(),
        "margin": pa.float64(),
        "rank": pa.int64(),
        "direction": pa.string(),
        "forward_rank": pa.int64(),
        "backward_rank": pa.int64(),
    }
    schema, remaining = pa.schema(kinds), iter(pairs)
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        while batch := [pair_record(pair, languages=languages) for pair in islice(remaining, _ROWS_PER_BATCH)]:
            writer.write_batch(pa.RecordBatch.from_pylist(batch, schema=schema))
