"""What one server process holds: the model behind its batcher, the index, and their names."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np

from mling_embed.distillation.receipt import is_truncatable
from mling_embed.encoders.contract import Encoder, PromptRole
from mling_embed.encoders.loading import load
from mling_embed.errors import UsageError
from mling_embed.indexing.index import Index
from mling_embed.indexing.model_match import Relation
from mling_embed.indexing.results import IndexStats
from mling_embed.serving.batching import Batcher, Encoded
from mling_embed.serving.metrics import Metrics
from mling_embed.serving.refusals import Refusal
from mling_embed.serving.settings import Settings

_STATS_SECONDS = 2.0  # how old the counts of languages may be


class Service:
    """Hold model and index of one server process.

    Args:
        settings: Of the server.
        encoder: The model; loaded by its name by default.

    Raises:
        DataError: There is no such model or index.
        UsageError: The model is not one to ask this index with.
    """

    def __init__(self, settings: Settings, *, encoder: Encoder | None = None) -> None:
        self.settings = settings
        self.index = None
        if settings.index is not None:
            self.index = Index.open(settings.index, model=settings.model if encoder is None else encoder, wait=10.0)
            self.encoder = self.index.encoder
            _ = self.index.relation
        else:
            self.encoder = encoder if encoder is not None else load(settings.model or "")
        self.metrics = Metrics()
        self.batcher = Batcher(self.encoder, limits=settings.limits, metrics=self.metrics)
        self.source = settings.model or (self.index.stats().model if self.index is not None else "")
        self.model_name = settings.model_name or _name_of(self.source) or "model"
        self.truncatable = settings.truncatable or is_truncatable(Path(self.source))
        self.started = int(time.time())
        self._stats: tuple[float, IndexStats] | None = None
        self._stats_lock = threading.Lock()

    def close(self) -> None:
        """Finish what was accepted, and close the index."""
        self.batcher.close()
        if self.index is not None:
            self.index.close()

    @property
    def is_student(self) -> bool:
        """Whether the model asks in the stead of the index's own, so that it may not add texts."""
        return self.index is not None and self.index.relation is Relation.STUDENT

    def searched(self) -> Index:
        """Return the index.

        Raises:
            Refusal: There is none.
        """
        if self.index is None:
            raise Refusal(404, "this server has no index.", code="no_index", next_step="Start it with one.")
        return self.index

    def stats(self) -> IndexStats:
        """Return what the index is, as of a moment ago."""
        index = self.searched()
        with self._stats_lock:
            if self._stats is None or time.monotonic() - self._stats[0] > _STATS_SECONDS:
                self._stats = (time.monotonic(), index.stats())
            return self._stats[1]

    async def encode(
        self, texts: list[str], *, role: PromptRole | None, max_tokens: int | None = None, param: str = "input"
    ) -> Encoded:
        """Encode texts, none of which may come out as nothing.

        Raises:
            Refusal: The server is busy, or the model knows nothing of a text.
        """
        encoded = await self.batcher.encode(texts, role=role, max_tokens=max_tokens)
        lengths = np.einsum("nd,nd->n", encoded.vectors, encoded.vectors)
        if not np.isfinite(lengths).all():
            raise UsageError("the model gave a vector that is not finite.")
        if not lengths.all():
            place = int(np.flatnonzero(lengths == 0)[0])
            where = f"{param}[{place}]" if len(texts) > 1 else param
            raise Refusal(
                422, f"the model knows no part of {where}, so that it has no vector.", code="no_vector", param=where
            )
        return encoded


def _name_of(source: str) -> str:
    """Return what clients call a model: its name, of a run's folder the run's too, and never a path."""
    if not Path(source).exists():
        return source
    folder = Path(source).resolve()
    return f"{folder.parent.name}/{folder.name}" if folder.name == "model" and folder.parent.name else folder.name
