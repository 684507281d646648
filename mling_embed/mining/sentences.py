"""A side of a mining: its distinct sentences, filtered, with the ids of every duplicate kept."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Int, Int64
from numpy import ndarray
from numpy.typing import NDArray

from mling_embed.corpora.deduplication import Numbering, key_of
from mling_embed.corpora.filters import require_range, sentence_filter, tidy
from mling_embed.corpora.lines import Decoding
from mling_embed.corpora.records import Reason, Reject
from mling_embed.engines.array_store import key_of_parts
from mling_embed.errors import DataError
from mling_embed.files import atomic_writer
from mling_embed.languages import UNKNOWN_LANGUAGE
from mling_embed.mining.sources import Sentence, SentenceSource, read_sentences
from mling_embed.progress import Progress, silent

_CHUNK = 1 << 14  # rows between two rounds of looking for duplicates
_SCHEMA = pa.schema([("text", pa.large_string()), ("id", pa.large_string())])
_SHOWN = 2000  # characters of a rejected text that are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class SentenceFilter:
    """Say which sentences are left out of a mining; `None` switches a filter off.

    Attributes:
        max_characters: The most characters.
        min_script_share: The least share of letters that is of the language's scripts.
        min_language_confidence: With lingua (``pip install "mling-embed[lid]"``), the confidence from which a sentence
            in another language is left out.
    """

    max_characters: int | None = 2000
    min_script_share: float | None = 0.1
    min_language_confidence: float | None = None

    def __post_init__(self) -> None:
        require_range("max_characters", self.max_characters, 1, float("inf"))
        require_range("min_script_share", self.min_script_share, 0, 1)
        require_range("min_language_confidence", self.min_language_confidence, 0, 1)

    def check_for(self, language: str) -> Callable[[str], Reason | None]:
        """Return the check of a sentence (already tidy) of a language: its reason to be left out, or `None`."""
        known = language != UNKNOWN_LANGUAGE
        check = sentence_filter(
            language,
            max_characters=self.max_characters,
            min_script_share=self.min_script_share if known else None,
        )
        if not known or self.min_language_confidence is None:
            return check
        from mling_embed.corpora.language_id import language_filter

        identify = language_filter(language, self.min_language_confidence)
        return lambda text: check(text) or identify(text)


@dataclass(frozen=True, slots=True)
class RejectedSentence:
    """Hold a row that is not mined, with the reason.

    Attributes:
        file: Where it stands.
        line: The line, from 1.
        reason: Why.
        text: Its text, as far as it can be shown.
    """

    file: str
    line: int
    reason: Reason
    text: str


@dataclass(slots=True)
class SentenceCounts:
    """Count what became of the rows of a side: read = distinct + duplicates + rejected.

    Attributes:
        read: Rows read.
        distinct: Sentences that are mined.
        duplicates: Rows whose text had come before; their ids are kept with it.
        rejected: Rows left out, by reason.
    """

    read: int = 0
    distinct: int = 0
    duplicates: int = 0
    rejected: Counter[Reason] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        """Return the counts as plain values."""
        rejected = {str(reason): count for reason, count in sorted(self.rejected.items())}
        return {"read": self.read, "distinct": self.distinct, "duplicates": self.duplicates, "rejected": rejected}


@dataclass(frozen=True, slots=True)
class Sentences:
    """Hold the distinct sentences of a side, in memory or in a memory-mapped file.

    Attributes:
        table: Columns ``text`` and ``id``: a row a sentence, the id of its first coming.
        language: Their language.
        file_starts: Rows at which a file's first sentence stands, from 0 on, rising.
        positions: Where each stands among all rows read, from 0: its row in vectors that come with the source.
        duplicate_rows: For each further coming of a text its row, rising.
        duplicate_ids: The ids of those comings.
        counts: What became of the rows read.
        path: The file that holds the table; `None` in memory.
    """

    table: pa.Table
    language: str
    file_starts: tuple[int, ...]
    positions: Int64[ndarray, " n"]
    duplicate_rows: Int64[ndarray, " n_duplicates"]
    duplicate_ids: pa.Array
    counts: SentenceCounts
    path: Path | None = None

    def __len__(self) -> int:
        """Return the number of distinct sentences."""
        return int(self.table.num_rows)

    def all_ids(self) -> set[str]:
        """Return the ids of all rows, those of duplicates too."""
        return {*self.table.column("id").to_pylist(), *self.duplicate_ids.to_pylist()}

    def texts(self, rows: Int[ndarray, " n"] | slice) -> list[str]:
        """Return the texts of rows."""
        return _strings(self.table.column("text"), rows)

    def ids(self, rows: Int[ndarray, " n"]) -> list[tuple[str, ...]]:
        """Return the ids of rows, those of the first coming first."""
        firsts = _strings(self.table.column("id"), rows)
        low = np.searchsorted(self.duplicate_rows, rows, side="left").tolist()
        high = np.searchsorted(self.duplicate_rows, rows, side="right").tolist()
        return [
            (first, *(self.duplicate_ids[place].as_py() for place in range(start, stop)))
            for first, start, stop in zip(firsts, low, high, strict=True)
        ]


def collect_sentences(
    source: SentenceSource,
    *,
    folder: Path | None = None,
    lists_too: bool = False,
    keep: SentenceFilter | None = None,
    decoding: Decoding = Decoding.QUARANTINE,
    rejected: Callable[[RejectedSentence], None] | None = None,
    progress: Progress = silent,
) -> Sentences:
    """Read a side, leave out what the filter rejects, and keep each distinct text once with all its ids.

    A text is compared, encoded and written as NFC without white space around it.

    Args:
        source: What is read.
        folder: Where the texts may lie, so that memory holds 20 bytes a sentence and no text; memory by default.
        lists_too: Whether texts that are in memory go into the folder too, for others to read.
        keep: What is left out; by default as `SentenceFilter` has it.
        decoding: What becomes of a line that is not UTF-8.
        rejected: Told of each row that is left out.
        progress: Told of rows read.

    Raises:
        DataError: A file is not in its format, or an id stands twice.
        DamagedFileError: A file is damaged.
    """
    keep = keep or SentenceFilter()
    in_memory = folder is None or (source.texts is not None and not lists_too)
    path = None if in_memory else Path(folder or "") / f"{_name_of(source, keep, decoding)}.arrow"
    with ExitStack() as stack:
        sink: Any = pa.BufferOutputStream() if path is None else stack.enter_context(atomic_writer(path))
        with pa.ipc.new_file(sink, _SCHEMA) as writer:
            collector = _Collector(source.language, keep, writer, rejected)
            for where, row in read_sentences(source, decoding=decoding):
                collector.take(where, row)
                if collector.counts.read % _CHUNK == 0:
                    progress(f"reading {source.name}", collector.counts.read, None)
            collector.settle()
    progress(f"reading {source.name}", collector.counts.read, collector.counts.read)
    table = pa.ipc.open_file(sink.getvalue() if path is None else pa.memory_map(str(path))).read_all()
    return replace(collector.sentences(table), path=path)


class _Collector:
    """Take rows one by one, look for duplicates a chunk at a time, and write the distinct texts."""

    def __init__(
        self,
        language: str,
        keep: SentenceFilter,
        writer: pa.RecordBatchFileWriter,
        rejected: Callable[[RejectedSentence], None] | None,
    ) -> None:
        self._language, self._check = language, keep.check_for(language)
        self._writer, self._tell = writer, rejected
        self._texts, self._ids = Numbering(), Numbering()
        self._waiting: list[tuple[str, Sentence, int]] = []
        self._positions: list[NDArray[np.int64]] = []
        self._duplicate_rows: list[NDArray[np.int64]] = []
        self._duplicate_ids: list[pa.Array] = []
        self._file_starts: list[int] = []
        self._file = ""
        self.counts = SentenceCounts()

    def take(self, where: str, row: Sentence | Reject) -> None:
        """Take one row of the source."""
        position, self.counts.read = self.counts.read, self.counts.read + 1
        if isinstance(row, Reject):
            self._reject(where, row.line, row.reason, row.text)
            return
        text = tidy(row.text)
        if (reason := self._check(text)) is not None:
            self._reject(where, row.line, reason, row.text)
            return
        self._waiting.append((where, Sentence(row.id, text, row.line), position))
        if len(self._waiting) >= _CHUNK:
            self.settle()

    def settle(self) -> None:
        """Number the texts that wait: new ones become rows, the others duplicates."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        self._refuse_repeated_ids(waiting)
        n_before = len(self._texts)
        rows, new = self._texts.add(_keys(sentence.text for _, sentence, _ in waiting))
        fresh = [waiting[place] for place in np.flatnonzero(new).tolist()]
        for row, (where, _, _) in enumerate(fresh, n_before):
            if where != self._file:
                self._file = where
                self._file_starts.append(row)
        columns = [_text_column(sentence.text for _, sentence, _ in fresh), _ids_of(fresh)]
        self._writer.write_batch(pa.record_batch(columns, schema=_SCHEMA))
        self._positions.append(np.array([position for _, _, position in fresh], dtype=np.int64))
        self._duplicate_rows.append(rows[~new])
        self._duplicate_ids.append(_ids_of([waiting[place] for place in np.flatnonzero(~new).tolist()]))
        self.counts.distinct += len(fresh)
        self.counts.duplicates += len(waiting) - len(fresh)

    def sentences(self, table: pa.Table) -> Sentences:
        """Return what was taken, its texts being those of the table that was written."""
        rows = np.concatenate([np.empty(0, np.int64), *self._duplicate_rows])
        order = np.argsort(rows, kind="stable")
        ids = pa.chunked_array(self._duplicate_ids, pa.large_string()).combine_chunks().take(pa.array(order))
        positions = np.concatenate([np.empty(0, np.int64), *self._positions])
        return Sentences(table, self._language, tuple(self._file_starts), positions, rows[order], ids, self.counts)

    def _refuse_repeated_ids(self, waiting: list[tuple[str, Sentence, int]]) -> None:
        _, new = self._ids.add(_keys(sentence.id for _, sentence, _ in waiting))
        if not new.all():
            where, sentence, _ = waiting[int(np.flatnonzero(~new)[0])]
            raise DataError(
                f"the id '{sentence.id}' stands here for the second time.",
                where=f"{where}:{sentence.line}",
                next_step="Give each sentence an id of its own, or cut the ids out.",
            )

    def _reject(self, where: str, line: int, reason: Reason, text: str) -> None:
        self.counts.rejected[reason] += 1
        if self._tell is not None:
            shown = text[:_SHOWN].encode("utf-8", "backslashreplace").decode()
            self._tell(RejectedSentence(where, line, reason, shown))


def _keys(texts: Iterable[str]) -> NDArray[np.uint64]:
    return np.fromiter((key_of(text) for text in texts), dtype=np.uint64)


def _text_column(texts: Iterable[str]) -> pa.Array:
    return pa.array(list(texts), pa.large_string())


def _ids_of(waiting: list[tuple[str, Sentence, int]]) -> pa.Array:
    return _text_column(sentence.id for _, sentence, _ in waiting)


def _name_of(source: SentenceSource, keep: SentenceFilter, decoding: Decoding) -> str:
    """Name what a side is read from, so that a run that begins again writes over what it had written."""
    files = list(map(str, source.paths)) if source.texts is None else key_of_parts(*map(_bytes_of, source.texts))
    read = [files, source.language, source.layout, source.columns, asdict(keep), decoding]
    return sha256(json.dumps(read).encode()).hexdigest()[:32]


def _bytes_of(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _strings(column: pa.ChunkedArray, rows: Int[ndarray, " n"] | slice) -> list[str]:
    """Return strings of a column, touching only the chunks that hold them."""
    if isinstance(rows, slice):
        start, stop, _ = rows.indices(len(column))
        return list(column.slice(start, max(stop - start, 0)).to_pylist())
    starts = np.cumsum([0, *(len(chunk) for chunk in column.chunks)])
    order = np.argsort(rows, kind="stable")
    bounds = np.searchsorted(rows[order], starts)
    found = np.empty(len(rows), dtype=object)
    for chunk, first, low, high in zip(column.chunks, starts, bounds, bounds[1:], strict=False):
        if low < high:
            places = order[low:high]
            found[places] = chunk.take(pa.array(rows[places] - first)).to_pylist()
    return list(found)
