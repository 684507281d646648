"""What an index looks like as of one commit: its generation, the rows added since, and those that were deleted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from numpy import ndarray

from mling_embed.errors import DamagedFileError
from mling_embed.indexing.harmonization import Harmonization, searched_vectors
from mling_embed.indexing.published import generations
from mling_embed.indexing.published.columns import Filter
from mling_embed.indexing.published.exact import Ranked, no_hits, rank_exactly
from mling_embed.indexing.published.faiss_kinds import Kind, asking, candidates, gathered
from mling_embed.indexing.published.generations import Generation
from mling_embed.indexing.storage.rows import Entry, Row
from mling_embed.indexing.storage.state import State, added_to, deletion_sum
from mling_embed.indexing.storage.store import REPAIR, Store


@dataclass(frozen=True, slots=True)
class Tail:
    """Hold the rows that are in no generation yet.

    Attributes:
        numbers: Their row numbers, rising. Shape: (n,).
        vectors: As they are searched. Shape: (n, dim).
        entries: What they hold.
    """

    numbers: Int64[ndarray, " n"]
    vectors: Float32[ndarray, "n dim"]
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Deletions:
    """Hold the row numbers that were deleted, and the sum that proves them complete."""

    numbers: frozenset[int] = frozenset()
    count: int = 0
    digest: str = "0"


@dataclass(frozen=True, slots=True)
class Found:
    """Hold row numbers and scores, best first; of equal scores the older row comes first.

    Attributes:
        numbers: Shape: (n,).
        scores: Inner products in float64. Shape: (n,).
    """

    numbers: Int64[ndarray, " n"]
    scores: Float64[ndarray, " n"]


@dataclass(frozen=True, slots=True)
class View:
    """Hold everything that a search needs, as of one commit.

    Attributes:
        state: Of the rows.
        harmonization: What is subtracted from vectors, if anything.
        generation: The published one, if any.
        alive: Which of its rows were not deleted since; `None` if all. Shape: (n,).
        tail: Rows added since.
        deletions: All of the epoch.
    """

    state: State
    harmonization: Harmonization | None
    generation: Generation | None
    alive: Bool[ndarray, " n"] | None
    tail: Tail
    deletions: Deletions

    def nearest(self, queries: Float32[ndarray, "n_queries dim"], k: int, wanted: Filter) -> list[Found]:
        """Find the `k` best rows of each query that a filter lets pass.

        Exact in the tail and in a ``flat`` generation; in others every hit's score is exact, and there are fewer than
        `k` only if no more rows pass.
        """
        tail = self._tail_nearest(queries, k, wanted)
        older = self._generation_nearest(queries, k, wanted)
        numbers = self.generation.columns.numbers if self.generation is not None else np.empty(0, dtype=np.int64)
        found = []
        for old_positions, old_scores, new_positions, new_scores in zip(
            older.positions, older.scores, tail.positions, tail.scores, strict=True
        ):
            old, new = old_positions[old_positions >= 0], new_positions[new_positions >= 0]
            rows = np.concatenate([numbers[old], self.tail.numbers[new]])
            scores = np.concatenate([old_scores[: len(old)], new_scores[: len(new)]])
            order = np.lexsort((rows, -scores))[:k]
            found.append(Found(rows[order], scores[order]))
        return found

    def _tail_nearest(self, queries: Float32[ndarray, "n_queries dim"], k: int, wanted: Filter) -> Ranked:
        vectors = self.tail.vectors
        if not len(vectors):
            return no_hits(len(queries))
        allowed = None
        if not wanted.lets_all_pass:
            allowed = np.array([wanted.accepts(entry) for entry in self.tail.entries])

        def nearest(part: Float32[ndarray, "n_queries dim"], n: int) -> tuple[ndarray, ndarray]:
            scores, positions = faiss.knn(part, vectors, n, metric=faiss.METRIC_INNER_PRODUCT)
            return scores, positions

        longest = float(np.linalg.norm(vectors, axis=1).max())
        return rank_exactly(queries, vectors, nearest, k, allowed=allowed, longest=longest)

    def _generation_nearest(self, queries: Float32[ndarray, "n_queries dim"], k: int, wanted: Filter) -> Ranked:
        generation = self.generation
        if generation is None or not generation.manifest.rows:
            return no_hits(len(queries))
        vectors, manifest = generation.vectors, generation.manifest
        allowed = self.alive
        if not wanted.lets_all_pass:
            passing = generation.columns.passing(wanted)
            allowed = passing if allowed is None else passing & allowed
            few = gathered(vectors, allowed)
            if few is not None:
                n = max(1, int(allowed.sum()))
                return rank_exactly(
                    queries, vectors, few, k, allowed=allowed, n_candidates=min(k + 8, n), longest=manifest.longest
                )
        selected = allowed if not wanted.lets_all_pass else None
        exact = asking(Kind.FLAT, generation.flat, {}, allowed=selected)
        if manifest.kind is Kind.FLAT:
            return rank_exactly(queries, vectors, exact, k, allowed=allowed, longest=manifest.longest)
        nearest = asking(manifest.kind, generation.index, manifest.parameters, allowed=selected)
        many = candidates(manifest.kind, k)
        ranked = rank_exactly(queries, vectors, nearest, k, allowed=allowed, n_candidates=many, longest=None)
        short = np.flatnonzero((ranked.positions < 0).any(axis=1))
        if len(short):  # a graph or lists may not reach k rows that pass
            again = rank_exactly(queries[short], vectors, exact, k, allowed=allowed, longest=manifest.longest)
            ranked.positions[short], ranked.scores[short] = again.positions, again.scores
        return ranked

    def accepting(self, wanted: Filter) -> Callable[[int], bool]:
        """Return a test of whether a row is in this view and passes a filter."""
        rows = set(self.tail.numbers.tolist())
        if not wanted.lets_all_pass:
            rows = {
                number
                for number, entry in zip(self.tail.numbers.tolist(), self.tail.entries, strict=True)
                if wanted.accepts(entry)
            }
        if self.generation is None:
            return rows.__contains__
        numbers, passing = self.generation.columns.numbers, self.alive
        if not wanted.lets_all_pass:
            filtered = self.generation.columns.passing(wanted)
            passing = filtered if passing is None else passing & filtered

        def accepts(number: int) -> bool:
            place = int(np.searchsorted(numbers, number))
            if place < len(numbers) and numbers[place] == number:
                return passing is None or bool(passing[place])
            return number in rows

        return accepts

    def vectors_of(self, numbers: Int64[ndarray, " n"]) -> Float32[ndarray, "n dim"]:
        """Return the vectors that rows are searched with; NaN for rows that are not in this view. Shape: (n, dim)."""
        found = np.full((len(numbers), self.tail.vectors.shape[1]), np.nan, dtype=np.float32)
        for known, vectors in self._parts():
            if len(known):
                places = np.minimum(np.searchsorted(known, numbers), len(known) - 1)
                here = known[places] == numbers
                found[here] = vectors[places[here]]
        return found

    def _parts(self) -> list[tuple[ndarray, ndarray]]:
        parts = [(self.tail.numbers, self.tail.vectors)]
        if self.generation is not None:
            parts.append((self.generation.columns.numbers, self.generation.vectors))
        return parts


class LiveView:
    """Keep the view of an index up with its commits and publications, by whatever process.

    Args:
        folder: The index.
        store: Its rows.
    """

    def __init__(self, folder: Path, store: Store) -> None:
        self._folder, self._store = folder, store
        self._mutex = threading.Lock()
        self._view: View | None = None
        self._published: tuple[Path, str] | None = None
        self._generation: Generation | None = None

    def refresh(self) -> View:
        """Return the view as of the last commit.

        Raises:
            DamagedFileError: Rows, deletions and generation do not agree.
        """
        with self._mutex:
            # The generation is looked at before the rows: they can only be newer than it.
            published = generations.current(self._folder)
            state = self._store.state()
            view = self._view
            if view is not None and published == self._published and state == view.state:
                return view
            same = view is not None and published == self._published and state.epoch == view.state.epoch
            if not same:
                self._open(state)
            with self._store.reading():
                state = self._store.state()
                same = same and view is not None and state.epoch == view.state.epoch
                if not same:
                    self._store.settings = self._store.read("settings")
                self._view = self._advanced(state, view if same else None)
            return self._view

    def close(self) -> None:
        """Let go of the generation, which is closed when the last search in it is over."""
        with self._mutex:
            self._view = self._generation = None

    def _open(self, state: State) -> None:
        """Open the generation that is published now."""
        self._published = generations.current(self._folder)
        self._generation = generations.open_current(self._folder)

    def _advanced(self, state: State, before: View | None) -> View:
        generation = self._usable(state)
        base = generation.manifest.last_row if generation is not None else 0
        if before is None:
            known, tail, last = Deletions(), _no_rows(self._store.settings["dim"]), base
            offsets = self._store.settings.get("harmonization")
            harmonization = Harmonization.from_json(offsets) if offsets else None
        else:
            known, tail, last = before.deletions, before.tail, before.state.last_row
            harmonization = before.harmonization
        deletions = self._deletions(known, state)
        if state.last_row > last:
            tail = _joined(tail, list(self._store.scan(last)), harmonization)
        if before is None or deletions.count > before.deletions.count:
            tail = _without(tail, deletions.numbers)
        alive = None
        n_alive = generation.manifest.rows if generation is not None else 0
        if before is not None and deletions is before.deletions:
            alive = before.alive
        elif generation is not None and any(number <= base for number in deletions.numbers):
            alive = ~np.isin(generation.columns.numbers, np.fromiter(deletions.numbers, np.int64))
        if alive is not None:
            n_alive = int(alive.sum())
        if n_alive + len(tail.numbers) != state.live:
            raise DamagedFileError(
                f"{n_alive + len(tail.numbers):,} rows can be found; there should be {state.live:,}.",
                where=self._store.path,
                next_step=REPAIR,
            )
        return View(state, harmonization, generation, alive, tail, deletions)

    def _usable(self, state: State) -> Generation | None:
        """Return the generation if it is one of these rows.

        Raises:
            DamagedFileError: It is newer than the rows, or of another index.
        """
        if self._generation is None:
            return None
        manifest, settings = self._generation.manifest, self._store.settings
        same_epoch = manifest.epoch == state.epoch
        other_model = (manifest.dim, manifest.fingerprint) != (settings["dim"], settings["fingerprint"])
        if manifest.index != settings["index"] or (same_epoch and other_model):
            what = "belongs to another index."
            raise DamagedFileError(what, where=self._generation.folder, next_step=REPAIR)
        if manifest.epoch > state.epoch or manifest.commit > state.commit:
            raise DamagedFileError(
                f"has commit {state.commit}; the generation was made from commit {manifest.commit}: writes are lost.",
                where=self._store.path,
                next_step="Restore the index from a copy, or accept the loss: mling-embed index rebuild INDEX.",
            )
        return self._generation if same_epoch else None

    def _deletions(self, known: Deletions, state: State) -> Deletions:
        if known.count == state.deleted and known.digest == state.deleted_digest:
            return known
        numbers, digest, count = set(known.numbers), known.digest, known.count
        for sequence, row in self._store.deletions(known.count):
            numbers.add(row)
            digest, count = added_to(digest, deletion_sum(sequence, row)), count + 1
        if (count, digest) != (state.deleted, state.deleted_digest):
            raise DamagedFileError("its deletions are damaged.", where=self._store.path, next_step=REPAIR)
        return Deletions(frozenset(numbers), count, digest)


def _no_rows(dim: int) -> Tail:
    return Tail(np.empty(0, dtype=np.int64), np.empty((0, dim), dtype=np.float32), ())


def _joined(tail: Tail, rows: list[Row], harmonization: Harmonization | None) -> Tail:
    if not rows:
        return tail
    return Tail(
        np.concatenate([tail.numbers, np.array([row.number for row in rows], dtype=np.int64)]),
        np.concatenate([tail.vectors, searched_vectors(rows, harmonization)]),
        (*tail.entries, *(row.entry for row in rows)),
    )


def _without(tail: Tail, deleted: frozenset[int]) -> Tail:
    kept = [place for place, number in enumerate(tail.numbers.tolist()) if number not in deleted]
    if len(kept) == len(tail.numbers):
        return tail
    return Tail(tail.numbers[kept], tail.vectors[kept], tuple(tail.entries[place] for place in kept))
