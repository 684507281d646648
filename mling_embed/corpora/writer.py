"""The assembly line of a corpus: rows in, Arrow files and rejects out, in memory that does not grow with the texts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import zstandard

from mling_embed.corpora.corpus_input import LINES, CorpusInput
from mling_embed.corpora.decontamination import ExcludedTexts, match_form
from mling_embed.corpora.deduplication import Numbering, key_of, mixed
from mling_embed.corpora.filters import FilterOptions, english_filter, sentence_filter, tidy, translation_filter
from mling_embed.corpora.language_id import language_filter
from mling_embed.corpora.misalignment import MisalignmentCheck
from mling_embed.corpora.parallel import ENGLISH_FILE, ENGLISH_SCHEMA, PAIR_SCHEMA, REJECTS_FILE
from mling_embed.corpora.records import Pair, Reason, Reject
from mling_embed.errors import DataError
from mling_embed.languages import ENGLISH, UNKNOWN_LANGUAGE, is_known, language_code, taken, takes

CHUNK = 1 << 16  # rows between two rounds of looking for duplicates
_BATCH = 1 << 13  # rows of a language that are worth a record batch
_BUFFERED = 1 << 19  # rows that wait for their batch at most
_SHOWN = 2000  # characters of a rejected text that are kept
_NAMES_SHOWN = 10  # names that are no languages, of one input

_Check = Callable[[str, str], Reason | None]


@dataclass(slots=True)
class Tally:
    """Count what became of the rows of one language of one input."""

    read: int = 0
    kept: int = 0
    rejected: Counter[Reason] = field(default_factory=Counter)
    first: dict[Reason, str] = field(default_factory=dict)
    not_languages: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        """Return the counts as ``corpus.json`` has them, and where the first row of each reason stands."""
        rejected = {str(reason): count for reason, count in sorted(self.rejected.items())}
        first = {str(reason): place for reason, place in sorted(self.first.items())}
        counts: dict[str, Any] = {"read": self.read, "kept": self.kept, "rejected": rejected, "first": first}
        if self.not_languages:
            counts["not_languages"] = dict(self.not_languages.most_common(_NAMES_SHOWN))
        return counts


@dataclass(slots=True)
class _Chunk:
    """Hold rows that passed the filters and were not yet compared with those before them."""

    english: list[str] = field(default_factory=list)
    other: list[str | None] = field(default_factory=list)
    language: list[str] = field(default_factory=list)
    line: list[int] = field(default_factory=list)
    where: list[str] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    other_keys: list[int] = field(default_factory=list)
    dev: list[bool] = field(default_factory=list)


@dataclass(slots=True)
class _Waiting:
    """Hold the rows of one language that wait for their batch."""

    rows: list[int] = field(default_factory=list)
    texts: list[str | None] = field(default_factory=list)
    sources: list[int] = field(default_factory=list)


class CorpusWriter:
    """Write a corpus's files into a folder, input after input.

    Args:
        folder: An empty folder.
        filters: What is filtered out.
        excluded: Sentences of test sets.
        dev_fraction: The share of English sentences in the dev split.
        languages: The languages that are asked for, with all that their names say; `None` for all.
    """

    def __init__(
        self,
        folder: Path,
        *,
        filters: FilterOptions,
        excluded: ExcludedTexts,
        dev_fraction: float,
        languages: frozenset[str] | None,
    ) -> None:
        self._folder, self._filters, self._excluded, self._wanted = folder, filters, excluded, languages
        self._dev_below = int(dev_fraction * 2**64)
        self._check_alone: dict[str, Callable[[str], Reason | None]] = {ENGLISH: english_filter(filters)}
        self._checks: dict[str, _Check] = {}
        self._asked: str | None = None
        self._assumed: str | None = None
        self._lone = False
        self._codes: dict[str, tuple[str, Reason | None]] = {}
        self._tallies: dict[str, Tally] = {}
        self._shifts: dict[str, MisalignmentCheck] = {}
        self._english, self._pairs = Numbering(), Numbering()
        self._chunk, self._waiting = _Chunk(), dict[str, _Waiting]()
        self._last_english = (ENGLISH, "")
        self._last_result: tuple[Reason | None, str, int, bool] = (Reason.EMPTY, "", 0, False)
        self._writers: dict[str, pa.RecordBatchFileWriter] = {}
        self._source = 0
        self.n_dev = 0
        self.pairs: Counter[str] = Counter()
        (folder / "pairs").mkdir(parents=True)
        self._writers[ENGLISH] = pa.ipc.new_file(str(folder / ENGLISH_FILE), ENGLISH_SCHEMA)
        self._rejects_file = (folder / REJECTS_FILE).open("wb")
        self._rejects = zstandard.ZstdCompressor(level=3).stream_writer(self._rejects_file, closefd=False)

    @property
    def n_english(self) -> int:
        """The number of distinct English sentences so far."""
        return len(self._english)

    def take(
        self,
        place: int,
        source: CorpusInput,
        rows: Iterable[tuple[str, Pair | Reject]],
        *,
        check_shift: bool,
        progress: Callable[[int], None],
    ) -> tuple[dict[str, Tally], dict[str, MisalignmentCheck]]:
        """Take the rows of one input.

        Args:
            place: The input's place among the inputs.
            source: The input.
            rows: What its reader yields.
            check_shift: Whether the off-by-one check applies.
            progress: Called with the rows taken, now and then.

        Returns:
            The tally and the off-by-one check of each language.

        Raises:
            DataError: A row has a translation, and neither it nor the input says in which language.
        """
        self._source, self._tallies, self._shifts = place, {}, {}
        self._asked, self._assumed, self._codes = source.language, source.assumed, {}
        self._lone = source.format == LINES and source.language is not None
        count = 0
        for where, row in rows:
            count += 1
            if count % CHUNK == 0:
                progress(count)
            code, unfit = self._language_of(row, where)
            tally = self._tallies.get(code)
            if tally is None:
                tally = self._tallies[code] = Tally()
            tally.read += 1
            if isinstance(row, Reject):
                self._reject(row.reason, row.text, code, where, row.line)
                continue
            if check_shift and row.other is not None:
                if code not in self._shifts:
                    self._shifts[code] = MisalignmentCheck()
                self._shifts[code].add(row.english, row.other, row.line)
            self._filter(row, code, unfit, where)
        self._settle()
        progress(count)
        for check in self._shifts.values():
            check.finish()
        return self._tallies, self._shifts

    def finish(self) -> None:
        """Write what waits, and close the files."""
        for language in self._waiting:
            self._write_pairs(language)
        self.close()

    def close(self) -> None:
        """Close the files; what waits is lost."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()
        if not self._rejects_file.closed:
            self._rejects.close()  # type: ignore[no-untyped-call]
            self._rejects_file.close()

    def _language_of(self, row: Pair | Reject, where: str) -> tuple[str, Reason | None]:
        """Return a row's language, and why a translation in it is not kept, if so."""
        if isinstance(row, Pair) and row.other is None and not self._lone:
            return ENGLISH, None
        if row.language is None and self._assumed is None:
            if isinstance(row, Reject):
                return UNKNOWN_LANGUAGE, None
            raise DataError(
                "the translations' language is not known.",
                where=f"{where}:{row.line}",
                next_step="Name it after the file: FILE:de.",
            )
        name = row.language or self._assumed or UNKNOWN_LANGUAGE
        if name not in self._codes:
            self._codes[name] = self._looked_up(name)
        code, unfit = self._codes[name]
        if unfit is Reason.UNKNOWN_LANGUAGE and isinstance(row, Pair):
            self._tallies.setdefault(code, Tally()).not_languages[
                name[:_SHOWN].encode("utf-8", "backslashreplace").decode()
            ] += 1
        return code, unfit

    def _looked_up(self, name: str) -> tuple[str, Reason | None]:
        if not is_known(name):
            return UNKNOWN_LANGUAGE, Reason.UNKNOWN_LANGUAGE
        code = language_code(name)
        if self._asked is not None and not takes(self._asked, name):
            return code, Reason.NOT_WANTED
        unfit = (code == ENGLISH and not self._lone) or not taken(self._wanted, name)
        return code if self._asked is None else language_code(self._asked), Reason.NOT_WANTED if unfit else None

    def _filter(self, row: Pair, code: str, unfit: Reason | None, where: str) -> None:
        sentence = (code if row.other is None else ENGLISH, row.english)
        if sentence != self._last_english:
            self._last_english, self._last_result = sentence, self._alone_result(*sentence)
        reason, tidied, key, dev = self._last_result
        other = None
        if row.other is not None:
            other = tidy(row.other)
            reason = unfit or reason or self._translation_reason(tidied, other, code)
        elif unfit is not None:
            reason = unfit
        if reason is not None:
            self._reject(reason, _shown(row.english, row.other), code, where, row.line)
            return
        chunk = self._chunk
        chunk.english.append(tidied)
        chunk.other.append(other)
        chunk.language.append(code)
        chunk.line.append(row.line)
        chunk.where.append(where)
        chunk.keys.append(key)
        chunk.other_keys.append(0 if other is None else key_of(f"{code}\t{other}"))
        chunk.dev.append(dev)
        if len(chunk.keys) >= CHUNK:
            self._settle()

    def _alone_result(self, code: str, text: str) -> tuple[Reason | None, str, int, bool]:
        """Return the reason to reject a sentence that is looked at alone, its tidy form, its key, and if it is of dev.

        It is the English side of a pair, or has no translation, and then may be of any language.
        """
        english = tidy(text)
        if code not in self._check_alone:
            self._check_alone[code] = self._sentence_filter(code)
        reason = self._check_alone[code](english)
        if reason is not None:
            return reason, english, 0, False
        # Sentences that differ in case and punctuation alone are of the same split.
        form_key = key_of(match_form(english) or english)
        if form_key in self._excluded:
            return Reason.IN_EVALUATION_SET, english, 0, False
        return None, english, key_of(english), form_key < self._dev_below

    def _sentence_filter(self, code: str) -> Callable[[str], Reason | None]:
        filters = self._filters
        return sentence_filter(code, max_characters=filters.max_characters, min_script_share=filters.min_script_share)

    def _translation_reason(self, english: str, other: str, code: str) -> Reason | None:
        check = self._checks.get(code)
        if check is None:
            check = self._checks[code] = self._check_for(code)
        reason = check(english, other)
        if reason is None and len(self._excluded) and key_of(match_form(other)) in self._excluded:
            return Reason.IN_EVALUATION_SET
        return reason

    def _check_for(self, code: str) -> _Check:
        check = translation_filter(code, self._filters)
        if self._filters.min_language_confidence is None:
            return check
        identify = language_filter(code, self._filters.min_language_confidence)
        return lambda english, other: check(english, other) or identify(other)

    def _settle(self) -> None:
        """Number the chunk's sentences, drop its duplicates, and pass the rest on to be written."""
        chunk, self._chunk = self._chunk, _Chunk()
        if not chunk.keys:
            return
        keys, other_keys = np.array(chunk.keys, dtype=np.uint64), np.array(chunk.other_keys, dtype=np.uint64)
        rows, new = self._english.add(keys)
        alone = np.array([other is None for other in chunk.other])
        fresh = new.copy()
        if not alone.all():
            _, first = self._pairs.add(mixed(keys[~alone], other_keys[~alone]))
            fresh[~alone] = first
        self._write_english(chunk, np.flatnonzero(new).tolist())
        for i, (row, keep) in enumerate(zip(rows.tolist(), fresh.tolist(), strict=True)):
            language = chunk.language[i]
            if not keep:
                text = _shown(chunk.english[i], chunk.other[i])
                self._reject(Reason.DUPLICATE_PAIR, text, language, chunk.where[i], chunk.line[i])
                continue
            self._tallies[language].kept += 1
            if chunk.other[i] is not None:
                waiting = self._waiting.get(language)
                if waiting is None:
                    waiting = self._waiting[language] = _Waiting()
                waiting.rows.append(row)
                waiting.texts.append(chunk.other[i])
                waiting.sources.append(self._source)
        full = sum(len(waiting.rows) for waiting in self._waiting.values()) > _BUFFERED
        for language, waiting in self._waiting.items():
            if full or len(waiting.rows) >= _BATCH:
                self._write_pairs(language)

    def _write_english(self, chunk: _Chunk, places: list[int]) -> None:
        dev = [chunk.dev[i] for i in places]
        self.n_dev += sum(dev)
        columns = [pa.array([chunk.english[i] for i in places], pa.string()), pa.array(dev, pa.bool_())]
        if places:
            self._writers[ENGLISH].write_batch(pa.record_batch(columns, schema=ENGLISH_SCHEMA))

    def _write_pairs(self, language: str) -> None:
        waiting, self._waiting[language] = self._waiting[language], _Waiting()
        if not waiting.rows:
            return
        if language not in self._writers:
            path = self._folder / "pairs" / f"{language}.arrow"
            self._writers[language] = pa.ipc.new_file(str(path), PAIR_SCHEMA)
        columns = [
            pa.array(waiting.rows, pa.int64()),
            pa.array(waiting.texts, pa.string()),
            pa.array(waiting.sources, pa.int32()),
        ]
        self._writers[language].write_batch(pa.record_batch(columns, schema=PAIR_SCHEMA))
        self.pairs[language] += len(waiting.rows)

    def _reject(self, reason: Reason, text: str, language: str, where: str, line: int) -> None:
        tally = self._tallies[language]
        tally.rejected[reason] += 1
        tally.first.setdefault(reason, f"{where}:{line}")
        record = {"file": where, "line": line, "reason": reason, "language": language, "text": text[:_SHOWN]}
        self._rejects.write((json.dumps(record, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace"))


def _shown(english: str, other: str | None) -> str:
    return english if other is None else f"{english[:_SHOWN]}\t{other[:_SHOWN]}"
