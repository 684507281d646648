"""Encoding ahead: an engine encodes what will be added, and adding finds the vectors beside the index."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mling_embed.encoders.contract import PromptRole
from mling_embed.engines.encoding import Model, StoredEncoder, encoding_ahead
from mling_embed.engines.engine import Engine
from mling_embed.errors import UsageError
from mling_embed.files import remove_folder
from mling_embed.indexing.changes.adding import Adding
from mling_embed.indexing.model_match import OwnModel, Relation
from mling_embed.indexing.searching.search import Metric
from mling_embed.indexing.storage.rows import Entry
from mling_embed.indexing.storage.store import Store
from mling_embed.progress import Progress

if TYPE_CHECKING:
    from mling_embed.encoders.contract import Encoder

_SUFFIX = ".encoded"
_WORK = "encoding texts"


def ahead_folder(index: Path) -> Path:
    """Return the folder of what was encoded ahead: beside the index, for whoever sees it sees that too."""
    whole = index.resolve()
    return whole.with_name(f"{whole.name}{_SUFFIX}")


def adding_encoder(model: OwnModel, index: Path) -> Encoder:
    """Return what encodes texts that are added: the index's model, with what was encoded ahead.

    Raises:
        UsageError: The model is a student of the index's.
    """
    encoder = model.encoder
    if model.relation is Relation.STUDENT:
        raise UsageError(
            "a student may ask, but its vectors of texts are not quite those of the index's model.",
            where=index,
            next_step="Add with the index's own model, or reencode the index with the student.",
        )
    folder = ahead_folder(index)
    return StoredEncoder(encoder, folder) if folder.is_dir() else encoder


def encode_ahead(
    parts: Iterable[Iterable[Entry]],
    store: Store,
    model: OwnModel,
    index: Path,
    engine: Engine,
    *,
    progress: Progress,
) -> None:
    """Let an engine encode what is not there yet of entries, those texts together that adding encodes together.

    Raises:
        UsageError: The model has no folder or name by which workers could load it, or is a student of the index's.
        Interrupted: Others encode a part of the texts.
    """
    encoder = adding_encoder(model, index)
    adding = Adding(store, None, metric=Metric(store.settings["metric"]), replace=True)
    pieces = [piece for entries in parts for piece in adding.texts_ahead(entries)]
    workers = Model.of(model.given, encoder)
    tasks = encoding_ahead(pieces, encoder, workers, role=PromptRole.PASSAGE, folder=ahead_folder(index))
    engine.run(tasks, work=_WORK, progress=progress, last=True)


def forget_ahead(index: Path) -> None:
    """Drop what was encoded ahead."""
    remove_folder(ahead_folder(index))
