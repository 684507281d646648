"""Searching: from query vectors and words to checked hits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from itertools import islice
from typing import Any

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray

from mling_embed.errors import DamagedFileError, UsageError
from mling_embed.indexing.harmonization import Harmonization, searched_vectors
from mling_embed.indexing.language_guess import guess_languages
from mling_embed.indexing.published.columns import Filter, make_filter
from mling_embed.indexing.results import Hit
from mling_embed.indexing.searching.fusion import fuse_languages, reciprocal_rank_fusion
from mling_embed.indexing.searching.view import LiveView, View
from mling_embed.indexing.storage import full_text
from mling_embed.indexing.storage.rows import Row
from mling_embed.indexing.storage.store import REPAIR, Store
from mling_embed.languages import language_code
from mling_embed.neighbors.vectors import unit_rows

Ranking = list[tuple[int, float]]
"""Row numbers and scores, best first."""
_DEPTH, _DEPTH_FACTOR = 50, 5  # how far down both rankings of a hybrid search are read


class Metric(StrEnum):
    """Name what a score is: the cosine of two vectors, or their inner product."""

    COSINE = "cosine"
    DOT = "dot"


class Balance(StrEnum):
    """Name what has the same share of the answers."""

    LANGUAGE = "language"


def query_vectors(
    vectors: Float[ndarray, "n_queries dim"], *, dim: int, metric: Metric
) -> Float32[ndarray, "n_queries dim"]:
    """Return queries as they are compared with rows.

    Raises:
        UsageError: They have another width, or are not finite.
    """
    if vectors.ndim != 2 or vectors.shape[1] != dim:
        raise UsageError(f"queries of shape {vectors.shape}; expected (n_queries, {dim}).")
    if not np.isfinite(vectors).all():
        bad = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
        raise UsageError(f"query {bad} is not finite.", next_step="Look at the encoder.")
    if metric is Metric.COSINE:
        return unit_rows(vectors)
    return np.ascontiguousarray(vectors, dtype=np.float32)


def asked_vectors(
    vectors: Float[ndarray, "n_queries dim"],
    texts: Sequence[str],
    settings: Mapping[str, Any],
    *,
    language: str | None,
) -> Float32[ndarray, "n_queries dim"]:
    """Return queries as they are compared with the rows of an index, less the offset of their language.

    Args:
        vectors: As the model gives them. Shape: (n_queries, dim).
        texts: The queries, whose languages are guessed where offsets depend on them. Length: n_queries.
        settings: Of the index.
        language: Their language, if it is known.
    """
    queries = query_vectors(vectors, dim=settings["dim"], metric=Metric(settings["metric"]))
    if settings["harmonization"] is None:
        return queries
    spoken = guess_languages(texts) if language is None else [language_code(language)] * len(texts)
    return Harmonization.from_json(settings["harmonization"]).apply(queries, spoken)


class Search:
    """Answer queries from a store and what is published of it.

    Args:
        store: The rows.
        live: The view of them that follows commits and publications.
    """

    def __init__(self, store: Store, live: LiveView) -> None:
        self._store, self._live = store, live

    def hits(
        self,
        queries: Float32[ndarray, "n_queries dim"],
        texts: Sequence[str],
        k: int,
        *,
        languages: Iterable[str] | None = None,
        where: Mapping[str, Any] | None = None,
        balance: Balance | None = None,
        hybrid: bool = False,
    ) -> list[list[Hit]]:
        """Return the best hits of each query. A row that is changed meanwhile is answered as it was, or as it is.

        Args:
            queries: As `query_vectors` gives them.
            texts: The queries' words, for `hybrid` and for the hits. Length: n_queries.
            k: Hits for each query.
            languages: Languages that hits may have.
            where: Values that fields of hits must have.
            balance: What has the same share of the hits.
            hybrid: Whether words count too.

        Raises:
            UsageError: `k` is below 1, or the filter names what the index has never held.
            DamagedFileError: A row or a file is not what was written.
        """
        if k < 1:
            raise UsageError(f"k is {k}, expected at least 1.")
        filtered = languages is not None or bool(where) or balance is not None
        names = self._store.read("names") if filtered else {}
        wanted = make_filter(languages, where, names=names) if filtered else Filter()
        while True:
            view = self._live.refresh()
            if balance is None:
                rankings = self._rankings(view, queries, texts, k, wanted, hybrid=hybrid)
            else:
                shares = sorted(set(names["languages"]) & (wanted.languages or set(names["languages"])))
                filters = [Filter(frozenset([language]), wanted.where) for language in shares]
                parts = [self._rankings(view, queries, texts, k, one, hybrid=hybrid) for one in filters]
                by_query = zip(*parts, strict=True) if parts else [()] * len(queries)
                rankings = [fuse_languages(dict(zip(shares, found, strict=True)), k) for found in by_query]
            rows = self._store.rows(sorted({number for ranking in rankings for number, _ in ranking}))
            if self._complete(view, rankings, rows):
                return [_hits(text, ranking, rows) for text, ranking in zip(texts, rankings, strict=True)]

    def _rankings(
        self,
        view: View,
        queries: Float32[ndarray, "n_queries dim"],
        texts: Sequence[str],
        k: int,
        wanted: Filter,
        *,
        hybrid: bool,
    ) -> list[Ranking]:
        depth = max(_DEPTH, _DEPTH_FACTOR * k) if hybrid else k
        found = view.nearest(queries, depth, wanted)
        rankings: list[Ranking] = [
            list(zip(each.numbers.tolist(), each.scores.tolist(), strict=True)) for each in found
        ]
        if not hybrid:
            return rankings
        self._store.require_whole_words()
        accepts = view.accepting(wanted)
        fused = []
        for text, ranking in zip(texts, rankings, strict=True):
            by_words = self._by_words(text, depth, accepts)
            fused.append(reciprocal_rank_fusion([[row for row, _ in ranking], by_words])[:k])
        return fused

    def _by_words(self, text: str, depth: int, accepts: Callable[[int], bool]) -> list[int]:
        with self._store.reading() as connection:
            best = (row for row, _ in full_text.best_rows(connection, text) if accepts(row))
            return list(islice(best, depth))

    def _complete(self, view: View, rankings: Sequence[Ranking], rows: Mapping[int, Row]) -> bool:
        """Check the rows that are returned against the vectors that were searched.

        Returns:
            Whether all are there; if not, they were deleted meanwhile and the search must be done again.

        Raises:
            DamagedFileError: A row was lost, or has another vector than the one that was searched.
        """
        missing = {number for ranking in rankings for number, _ in ranking} - rows.keys()
        if missing:
            if self._live.refresh() is view:
                what = f"row {min(missing)} is lost."
                raise DamagedFileError(what, where=self._store.path, next_step=REPAIR)
            return False
        if not rows:
            return True
        found = list(rows.values())
        stored = searched_vectors(found, view.harmonization)
        searched = view.vectors_of(np.array([row.number for row in found]))
        wrong = np.flatnonzero(~(np.abs(searched - stored) <= 1e-6 + 1e-5 * np.abs(stored)).all(axis=1))
        if not len(wrong):
            return True
        if self._live.refresh() is not view:
            return False
        row = found[wrong[0]]
        what = f"the vector that was searched is not that of row {row.number} (id {row.entry.id!r})."
        raise DamagedFileError(what, where=self._store.path.parent, next_step=REPAIR)


def _hits(query: str, ranking: Ranking, rows: Mapping[int, Row]) -> list[Hit]:
    hits = []
    for rank, (number, score) in enumerate(ranking, 1):
        entry = rows[number].entry
        place = (entry.document, entry.start, entry.end)
        hits.append(Hit(query, rank, score, entry.id, *place, entry.language, entry.text, entry.metadata))
    return hits
