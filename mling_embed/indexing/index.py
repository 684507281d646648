"""`Index`: put texts in, ask in any language; durable, checked, open to many readers and one writer at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, overload

from jaxtyping import Float, Float32
from numpy import ndarray

from mling_embed.choices import choice
from mling_embed.encoders.contract import PromptRole
from mling_embed.engines.engine import Engine
from mling_embed.indexing.changes.adding import Adding, entries_of
from mling_embed.indexing.changes.ahead import adding_encoder, encode_ahead
from mling_embed.indexing.changes.compaction import compact_rows
from mling_embed.indexing.changes.reencoding import reencode_rows
from mling_embed.indexing.creation import new_settings, require_format
from mling_embed.indexing.exchange.export import Target, export_rows
from mling_embed.indexing.harmonization import Pairs, measure_by
from mling_embed.indexing.model_match import OwnModel, Relation
from mling_embed.indexing.published.faiss_kinds import Kind
from mling_embed.indexing.published.generations import Manifest
from mling_embed.indexing.published.publication import publish_rows
from mling_embed.indexing.results import Added, Hit, IndexStats
from mling_embed.indexing.searching.search import Balance, Metric, Search, asked_vectors
from mling_embed.indexing.searching.view import LiveView
from mling_embed.indexing.storage.locking import WAIT_SECONDS, Task, lock
from mling_embed.indexing.storage.named_rows import delete_named, entries_named, listed
from mling_embed.indexing.storage.rows import Entry, NumberFormat
from mling_embed.indexing.storage.store import Store
from mling_embed.indexing.upkeep.audit import Audit, Drift, audit_index, measure_drift
from mling_embed.indexing.upkeep.repair import rebuild_index
from mling_embed.indexing.upkeep.stats import bytes_of, index_stats, sample_texts
from mling_embed.indexing.upkeep.verification import Verification
from mling_embed.indexing.upkeep.verification import verify as verify_index
from mling_embed.languages import ENGLISH
from mling_embed.progress import Progress, silent

if TYPE_CHECKING:
    from mling_embed.encoders.contract import Encoder

TAIL_LIMIT = 10_000  # rows outside of generations before an add builds a new one
TAIL_WORTH = 1_000  # rows for which that pays when nothing more is added


class Index:
    """Search texts in several languages by queries in any.

    Made by `Index.create` or `Index.open`. Every change is on disk when its call returns; several processes may search
    at the same time, and see it at once.

    Args:
        folder: The index.
        store: Its rows.
        model: The model to ask with; by default the one that the index was made with.
        wait: Seconds to wait for another writer.
    """

    def __init__(self, folder: Path, store: Store, *, model: Any = None, wait: float = WAIT_SECONDS) -> None:
        self.path, self._wait = folder, wait
        self._open(store)
        self._model = OwnModel(folder, model, settings=store.settings)

    def _open(self, store: Store) -> None:
        self._store = store
        self._live = LiveView(self.path, store)
        self._search = Search(store, self._live)

    @classmethod
    def create(
        cls,
        path: str | Path,
        *,
        model: Any,
        kind: Kind | str | None = None,
        number_format: NumberFormat | str = NumberFormat.FLOAT32,
        metric: Metric | str = Metric.COSINE,
        harmonize: Pairs | None = None,
        wait: float = WAIT_SECONDS,
    ) -> Index:
        """Make an index.

        Args:
            path: A folder that is not there yet, or is empty.
            model: What turns texts into vectors: a folder, a name, a model, or anything with `encode`.
            kind: The FAISS kind of its generations: ``flat``, ``hnsw``, ``ivf-flat``, ``ivf-pq``; chosen by size and
                memory by default.
            number_format: Of stored vectors: ``float32`` or ``float16``.
            metric: ``cosine``, or ``dot`` for models made for inner products.
            harmonize: Parallel sentences, on which each language's mean offset from English is measured and then
                subtracted when it is indexed or asked in.
            wait: Seconds to wait for another writer.
        """
        folder = Path(path)
        own = OwnModel(folder, model)
        settings = new_settings(folder, own, kind=kind, number_format=number_format, metric=metric, harmonize=harmonize)
        folder.mkdir(parents=True, exist_ok=True)
        index = cls(folder, Store(folder, create=settings), wait=wait)
        index._model = own
        return index

    @classmethod
    def open(cls, path: str | Path, *, model: Any = None, wait: float = WAIT_SECONDS) -> Index:
        """Open an index.

        Args:
            path: Its folder.
            model: What to ask with: the index's own model by default, loaded when it is first needed; a student of it
                may ask in its stead.
            wait: Seconds to wait for another writer.

        Raises:
            DataError: There is no index.
            DamagedFileError: It is damaged.
            UsageError: It was made by a later version.
        """
        folder = Path(path)
        store = Store(folder)
        require_format(store.settings, folder)
        index = cls(folder, store, model=model, wait=wait)
        index._live.refresh()
        return index

    def __enter__(self) -> Index:
        """Close the index when the block ends."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Close the index."""
        self.close()

    def close(self) -> None:
        """Close its files. Nothing is lost without it."""
        self._live.close()
        self._store.close()

    @property
    def encoder(self) -> Encoder:
        """The model that texts and queries go through, loaded when it is first needed."""
        return self._model.encoder

    @property
    def relation(self) -> Relation:
        """How that model stands to the index's."""
        return self._model.relation

    def add(
        self,
        texts: str | Iterable[str],
        ids: Iterable[str] | None = None,
        languages: str | Iterable[str | None] | None = None,
        metadata: Iterable[Mapping[str, Any] | None] | None = None,
        *,
        vectors: Float[ndarray, "n dim"] | None = None,
        progress: Progress = silent,
    ) -> Added:
        """Put texts in; each batch of about a thousand is on disk, and found, as soon as it is encoded.

        Args:
            texts: The texts.
            ids: Their names; running numbers by default. A text that is there already under its id is passed over, so
                that an interrupted call can be repeated.
            languages: Their languages, or one for all; ``und`` by default.
            metadata: What else is known of each: JSON values by name.
            vectors: Their vectors, if they are there already. Shape: (n, dim).
            progress: Told of texts done.

        Raises:
            UsageError: An id is there already with another text, or the model is not the index's.
        """
        entries = entries_of(texts, ids, languages, metadata, first=self._store.state().last_row + 1)
        return self.add_entries(entries, vectors=vectors, progress=progress)

    def upsert(
        self,
        texts: str | Iterable[str],
        ids: Iterable[str],
        languages: str | Iterable[str | None] | None = None,
        metadata: Iterable[Mapping[str, Any] | None] | None = None,
        *,
        vectors: Float[ndarray, "n dim"] | None = None,
        progress: Progress = silent,
    ) -> Added:
        """Put texts in, in place of those that have the same ids. Arguments as of `add`."""
        entries = entries_of(texts, ids, languages, metadata, first=0)
        return self.add_entries(entries, replace=True, vectors=vectors, progress=progress)

    def add_entries(
        self,
        entries: Iterable[Entry],
        *,
        replace: bool = False,
        vectors: Float[ndarray, "n dim"] | None = None,
        progress: Progress = silent,
    ) -> Added:
        """Put entries in, which also say of which document they are part; of a generator, a batch at a time is held.

        Args:
            entries: The entries.
            replace: Whether they replace others of the same ids.
            vectors: Their vectors, if they are there already. Shape: (n, dim).
            progress: Told of texts done.
        """
        encoder = None if vectors is not None else adding_encoder(self._model, self.path)
        with lock(self.path, Task.WRITE, work="add", wait=self._wait):
            adding = Adding(self._store, encoder, metric=Metric(self._store.settings["metric"]), replace=replace)
            report = adding.run(entries, vectors=vectors, progress=progress)
        self.publish_tail(beyond=TAIL_LIMIT)
        return report

    def upsert_document(self, document: str, entries: Iterable[Entry], *, progress: Progress = silent) -> Added:
        """Put a document in, in place of what it held before; what it no longer holds is taken out at the end."""
        seen: set[str] = set()

        def noted() -> Iterator[Entry]:
            for entry in entries:
                seen.add(entry.id)
                yield entry

        report = self.add_entries(noted(), replace=True, progress=progress)
        numbers = self._store.numbers_of("document", [document]).get(document, [])
        gone = [row.entry.id for row in self._store.rows(numbers).values() if row.entry.id not in seen]
        return report + Added(removed=self.delete(gone) if gone else 0)

    def encode_ahead(
        self, documents: Iterable[Iterable[Entry]], engine: Engine, *, progress: Progress = silent
    ) -> None:
        """Let an engine encode what is not here yet of documents; adding them one by one then finds their vectors."""
        encode_ahead(documents, self._store, self._model, self.path, engine, progress=progress)

    def delete(self, ids: Iterable[str] = (), *, documents: Iterable[str] = ()) -> int:
        """Take texts out, by ids or by documents, all of which must be there; return how many there were."""
        with lock(self.path, Task.WRITE, work="delete", wait=self._wait):
            return delete_named(self._store, ids=listed(ids), documents=listed(documents))

    @overload
    def search(self, queries: str, k: int = 10, *args: Any, **options: Any) -> list[Hit]: ...
    @overload
    def search(self, queries: Sequence[str], k: int = 10, *args: Any, **options: Any) -> list[list[Hit]]: ...
    def search(
        self,
        queries: str | Sequence[str],
        k: int = 10,
        languages: Iterable[str] | None = None,
        where: Mapping[str, Any] | None = None,
        *,
        balance: Balance | str | None = None,
        hybrid: bool = False,
        query_language: str | None = None,
    ) -> list[Hit] | list[list[Hit]]:
        """Find the texts that mean what a query means.

        Args:
            queries: One query, or several.
            k: Hits for each; fewer only if no more pass the filters.
            languages: Languages that hits may have.
            where: A value, or a list of values, for fields of the metadata.
            balance: ``language`` gives every language the same share of the hits.
            hybrid: Whether the words of the query count beside its meaning (BM25, fused by reciprocal rank).
            query_language: The queries' language, for a harmonized index; guessed by lingua by default.

        Returns:
            Hits, best first: a list of one query, a list of lists of several.

        Raises:
            UsageError: The filter names what the index has never held, or the model is not the index's.
            DamagedFileError: A file or a row is not what was written.
        """
        asked = [queries] if isinstance(queries, str) else list(queries)
        if not asked:
            return []
        hits = self.search_vectors(
            self.encoder.encode(asked, role=PromptRole.QUERY),
            k,
            languages,
            where,
            balance=balance,
            hybrid=hybrid,
            query_language=query_language,
            texts=asked,
        )
        return hits[0] if isinstance(queries, str) else hits

    def search_vectors(
        self,
        queries: Float[ndarray, "n_queries dim"],
        k: int = 10,
        languages: Iterable[str] | None = None,
        where: Mapping[str, Any] | None = None,
        *,
        balance: Balance | str | None = None,
        hybrid: bool = False,
        query_language: str | None = None,
        texts: Sequence[str] | None = None,
    ) -> list[list[Hit]]:
        """Find the texts nearest to the vectors of queries, whose words are `texts`; other arguments as of `search`."""
        words = [""] * len(queries) if texts is None else texts
        vectors = asked_vectors(queries, words, self._store.settings, language=query_language)
        chosen = None if balance is None else choice(Balance, balance)
        return self._search.hits(vectors, words, k, languages=languages, where=where, balance=chosen, hybrid=hybrid)

    def count(self) -> int:
        """Return the number of texts."""
        return self._store.state().live

    def get(self, ids: Iterable[str]) -> list[Entry]:
        """Return the entries of ids, in their order; all must be in the index."""
        return entries_named(self._store, listed(ids))

    def stats(self) -> IndexStats:
        """Return what the index is: rows by language, model, generation, recall, bytes."""
        return index_stats(self.path, self._store, self._live.refresh())

    def publish(self, *, kind: Kind | str | None = None, progress: Progress = silent) -> Manifest:
        """Build a new generation of all rows now; others may search and write meanwhile."""
        asked = kind if kind is not None else self._store.settings["kind"]
        chosen = None if asked is None else choice(Kind, asked)
        return publish_rows(self.path, self._store, kind=chosen, progress=progress, wait=self._wait)

    def publish_tail(self, *, beyond: int = TAIL_WORTH, progress: Progress = silent) -> None:
        """Build a new generation if more rows than `beyond`, or a quarter of those published, are in none yet."""
        view = self._live.refresh()
        published = view.generation.manifest.rows if view.generation is not None else 0
        if len(view.tail.numbers) > max(beyond, published // 4):
            self.publish(progress=progress)

    def verify(self, *, progress: Progress = silent) -> Verification:
        """Check every row and every file against its checksum, and all against each other."""
        return verify_index(self.path, progress=progress)

    def rebuild(
        self,
        *,
        harmonize: Pairs | bool | None = None,
        drop_damaged: bool = False,
        kind: Kind | str | None = None,
        progress: Progress = silent,
    ) -> Manifest:
        """Make everything anew that can be made from the rows: full text, generation, sums.

        Args:
            harmonize: Parallel sentences to measure offsets on; `False` for none; as it was by default.
            drop_damaged: Whether rows that cannot be repaired are left out, rather than an error.
            kind: The FAISS kind; as it was by default.
            progress: Told of rows done.
        """
        kept = harmonize if harmonize is None or isinstance(harmonize, bool) else measure_by(self.encoder, harmonize)
        self.close()
        rebuild_index(
            self.path,
            harmonization=kept,
            drop_damaged=drop_damaged,
            model=self._model.given,
            progress=progress,
            wait=self._wait,
        )
        self._open(Store(self.path))
        return self.publish(kind=kind, progress=progress)

    def compact(self, *, progress: Progress = silent) -> int:
        """Give back the space of deleted rows; return the bytes that were freed."""
        before = bytes_of(self.path)
        with lock(self.path, Task.WRITE, work="compact", wait=self._wait):
            compact_rows(self._store, progress=progress)
        self.publish(progress=progress)
        return before - bytes_of(self.path)

    def reencode(self, model: Any, *, progress: Progress = silent) -> None:
        """Move the index to another model; it answers by the old one until all is done, and goes on if stopped.

        Offsets of harmonization are of the old model and are dropped: measure them again by `rebuild`.
        """
        new = OwnModel(self.path, model)
        with lock(self.path, Task.WRITE, work="reencode", wait=self._wait):
            reencode_rows(self._store, new.encoder, new.record(), progress=progress)
        self._model = new
        self.publish(progress=progress)

    def audit(self, *, n_queries: int = 1000, k: int = 10, progress: Progress = silent) -> Audit:
        """Look for hubs, and for near duplicates across languages, in a sample."""
        return audit_index(self._live.refresh(), self._store, n_queries=n_queries, k=k, progress=progress)

    def drift(self, student: Any, *, n_queries: int = 1000, k: int = 10) -> Drift:
        """Measure how far a student's answers are from those of the index's own model, on English texts of a sample."""

        def ask(vectors: Float32[ndarray, "n_queries dim"], k: int) -> list[list[str]]:
            return [[hit.id for hit in hits] for hits in self.search_vectors(vectors, k, query_language=ENGLISH)]

        texts = sample_texts(self._store, ENGLISH, n_queries)
        return measure_drift(texts, self.encoder, OwnModel(self.path, student).encoder, ask, k=k)

    def export(self, out: str | Path, *, to: Target | str = Target.PARQUET, progress: Progress = silent) -> int:
        """Write all rows to a Parquet file, or to a new folder or table of a vector store; return how many."""
        return export_rows(self._store, out, choice(Target, to), progress=progress)
