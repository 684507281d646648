"""Adding: texts become rows, a batch at a time, each of them once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray

from mling_embed.encoders.contract import PromptRole
from mling_embed.errors import DataError, UsageError
from mling_embed.indexing.results import Added
from mling_embed.indexing.searching.search import Metric
from mling_embed.indexing.storage.rows import Entry, NumberFormat
from mling_embed.indexing.storage.store import Store
from mling_embed.languages import UNKNOWN_LANGUAGE, language_code
from mling_embed.neighbors.vectors import unit_rows
from mling_embed.progress import Progress

if TYPE_CHECKING:
    from mling_embed.encoders.contract import Encoder

BATCH = 1024
_LARGEST_FLOAT16 = 65504.0
_Columns = tuple[Any, ...]


def entries_of(
    texts: str | Iterable[str],
    ids: Iterable[str] | None,
    languages: str | Iterable[str | None] | None,
    metadata: Iterable[Mapping[str, Any] | None] | None,
    *,
    first: int,
) -> Iterator[Entry]:
    """Yield the entries that parallel lists describe.

    Args:
        texts: The texts; one string is one text.
        ids: Their names; running numbers from `first` by default.
        languages: Their languages, or one for all.
        metadata: What else is known of each.
        first: The number that the first text is named by.

    Raises:
        UsageError: The lists have not as many members.
    """
    listed = [texts] if isinstance(texts, str) else list(texts)
    n = len(listed)
    names = [str(first + place) for place in range(n)] if ids is None else [str(id_) for id_ in ids]
    if languages is None or isinstance(languages, str):
        codes: list[str | None] = [languages] * n
    else:
        codes = list(languages)
    facts = [{}] * n if metadata is None else [dict(each or {}) for each in metadata]
    for what, side in (("ids", names), ("languages", codes), ("metadata", facts)):
        if len(side) != n:
            raise UsageError(f"{n:,} texts and {len(side):,} {what}: expected as many.")
    for text, name, code, known in zip(listed, names, codes, facts, strict=True):
        yield Entry(name, text, UNKNOWN_LANGUAGE if code is None else language_code(code), metadata=known)


class Adding:
    """Put entries into a store.

    Args:
        store: The rows.
        encoder: What encodes texts; `None` where vectors are given.
        metric: How vectors are compared: for cosines they are stored with norm 1.
        replace: Whether an entry takes the place of another one of its id.
    """

    def __init__(self, store: Store, encoder: Encoder | None, *, metric: Metric, replace: bool) -> None:
        self._store, self._encoder, self._metric, self._replace = store, encoder, metric, replace

    def run(self, entries: Iterable[Entry], *, vectors: Float[ndarray, "n dim"] | None, progress: Progress) -> Added:
        """Put entries in, a batch a commit.

        Raises:
            UsageError: An id is there with another text, or vectors and entries do not go together.
            DataError: An entry cannot be stored.
        """
        report, done = Added(), 0
        total = len(entries) if isinstance(entries, Sequence) else (None if vectors is None else len(vectors))
        stream = iter(entries)
        while batch := list(islice(stream, BATCH)):
            given = None if vectors is None else vectors[done : done + len(batch)]
            if given is not None and len(given) != len(batch):
                raise UsageError(f"more than {len(batch) + done - 1:,} texts and {len(vectors or ()):,} vectors.")
            report += self._batch(batch, given)
            done += len(batch)
            progress("adding", done, total)
        if done != total or not done:
            progress("adding", done, done)
        return report

    def texts_ahead(self, entries: Iterable[Entry]) -> Iterator[list[str]]:
        """Yield the texts that `run` would encode, those together that it would give the encoder at a time.

        Raises:
            UsageError: An id is there with another text.
        """
        stream, known = iter(entries), dict[str, _Columns]()
        while batch := list(islice(stream, BATCH)):
            present = {id_: columns for id_, (_, columns) in self._present(batch).items()}
            yield [batch[place].text for place in self._chosen(batch, {**present, **known})]
            known.update((entry.id, entry.columns()) for entry in batch)

    def _batch(self, batch: list[Entry], given: Float[ndarray, "n dim"] | None) -> Added:
        present = self._present(batch)
        chosen = self._chosen(batch, {id_: columns for id_, (_, columns) in present.items()})
        unchanged = len(batch) - len(chosen)
        if not chosen:
            return Added(unchanged=unchanged)
        entries = [batch[place] for place in chosen]
        vectors, cut_off = self._vectors(entries, None if given is None else given[chosen])
        old = [present[entry.id][0] for entry in entries if entry.id in present]
        with self._store.writing() as changes:
            changes.delete(old)
            changes.add(entries, vectors)
        return Added(len(entries) - len(old), len(old), unchanged, tuple(cut_off))

    def _chosen(self, batch: Sequence[Entry], present: Mapping[str, _Columns]) -> list[int]:
        """Return the places of those entries of a batch that are not there yet."""
        chosen: list[int] = []
        seen: dict[str, _Columns] = {}
        for place, entry in enumerate(batch):
            columns = entry.columns()
            before = seen.get(entry.id, present.get(entry.id))
            if before is not None and before != columns and (entry.id in seen or not self._replace):
                raise UsageError(
                    f"id {entry.id!r} is there already, with another text or other data: {str(before[6])[:60]!r}.",
                    next_step="Replace it (upsert, or add --upsert), or give the text another id.",
                )
            if before != columns:
                chosen.append(place)
            seen[entry.id] = columns
        return chosen

    def _present(self, batch: Sequence[Entry]) -> dict[str, tuple[int, _Columns]]:
        numbers = self._store.numbers_of("id", [entry.id for entry in batch])
        rows = self._store.rows([found[0] for found in numbers.values()])
        return {row.entry.id: (number, row.entry.columns()) for number, row in rows.items()}

    def _vectors(
        self, entries: list[Entry], given: Float[ndarray, "n dim"] | None
    ) -> tuple[Float32[ndarray, "n dim"], list[str]]:
        """Return the vectors to store, and the ids of texts that are longer than the model reads."""
        cut_off: list[str] = []
        if given is not None or self._encoder is None:
            vectors = np.asarray(given, dtype=np.float32)
        else:
            texts = [entry.text for entry in entries]
            limit = self._encoder.max_seq_length
            if limit is not None:
                counts = self._encoder.token_counts(texts, role=PromptRole.PASSAGE)
                cut_off = [entry.id for entry, count in zip(entries, counts.tolist(), strict=True) if count > limit]
            vectors = self._encoder.encode(texts, role=PromptRole.PASSAGE)
        dim = self._store.settings["dim"]
        if vectors.shape != (len(entries), dim):
            raise UsageError(f"vectors of shape {vectors.shape}; expected {(len(entries), dim)}.")
        largest = _LARGEST_FLOAT16 if self._store.number_format is NumberFormat.FLOAT16 else np.inf
        usable = np.isfinite(vectors).all(axis=1) & (np.abs(vectors).max(axis=1, initial=0) < largest)
        if not usable.all():
            bad = entries[int(np.flatnonzero(~usable)[0])]
            what = f"the vector of {bad.text[:60]!r} is not finite, or too large for its number format."
            raise DataError(what, where=f"id {bad.id!r}", next_step="Look at the encoder.")
        return (unit_rows(vectors) if self._metric is Metric.COSINE else vectors), cut_off
