"""Whether a model belongs to an index: the same one, an export of it, or a student that asks in its stead."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mling_embed.errors import UsageError

if TYPE_CHECKING:
    from mling_embed.encoders.contract import Encoder

# What a model's folder says of where it comes from: file and key -> how the models are related.
_LINEAGE = (("exported_from.json", "source"), ("distilled_from.json", "teacher"))


class Relation(StrEnum):
    """Name how a model stands to that of an index."""

    SAME = "same"
    EXPORT = "export"
    STUDENT = "student"


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """Hold what an index keeps of its model.

    Attributes:
        model: Folder or name that it was given by; empty for an object.
        fingerprint: Of the model.
        dim: Width of a vector.
        prompts: By role.
    """

    model: str
    fingerprint: str
    dim: int
    prompts: Mapping[str, str]


class OwnModel:
    """Load the model of an index when it is first needed, and see that it is one.

    Args:
        folder: The index.
        given: A folder, a name, a model, or anything with `encode`; `None` for the one of the settings.
        settings: Of the index; `None` while it is made.
    """

    def __init__(self, folder: Path, given: Any, *, settings: Mapping[str, Any] | None = None) -> None:
        self._folder, self._settings = folder, settings
        self.given = given if given is not None or settings is None else settings["model"] or None

    @property
    def name(self) -> str:
        """The name under which it can be loaded again; empty if it has none."""
        if not isinstance(self.given, str | Path):
            return ""
        return str(Path(self.given).resolve()) if Path(self.given).exists() else str(self.given)

    @cached_property
    def encoder(self) -> Encoder:
        """The model.

        Raises:
            UsageError: It is not that of the index, nor a student or an export of it; or nobody knows it.
        """
        from mling_embed.encoders.loading import as_encoder

        if self.given is None:
            what = "was made with a model that has no folder or name."
            raise UsageError(what, where=self._folder, next_step="Give the model: Index.open(path, model=...).")
        encoder = as_encoder(self.given)
        _ = self._relation_of(encoder)
        return encoder

    @cached_property
    def relation(self) -> Relation:
        """How it stands to the model of the index."""
        return self._relation_of(self.encoder)

    def _relation_of(self, encoder: Encoder) -> Relation:
        if self._settings is None:
            return Relation.SAME
        return relation_of(
            encoder,
            self.name,
            fingerprint=self._settings["fingerprint"],
            index_model=self._settings["model"],
            where=self._folder,
        )

    def record(self) -> ModelRecord:
        """Return what an index keeps of it."""
        prompts = {str(role): text for role, text in self.encoder.prompts.items()}
        return ModelRecord(self.name, self.encoder.fingerprint, self.encoder.dim, prompts)


def lineage(name: str) -> dict[Relation, str]:
    """Return the fingerprints of the models that a model's folder says it comes from."""
    found: dict[Relation, str] = {}
    if not name:
        return found
    for (file, key), relation in zip(_LINEAGE, (Relation.EXPORT, Relation.STUDENT), strict=True):
        try:
            value: Any = json.loads((Path(name) / file).read_bytes())
        except (OSError, ValueError):
            continue
        if isinstance(value, dict) and isinstance(value.get(key), str):
            found[relation] = value[key]
    return found


def relation_of(encoder: Encoder, name: str, *, fingerprint: str, index_model: str, where: Path) -> Relation:
    """Tell how a model stands to that of an index.

    Args:
        encoder: The model.
        name: Its folder or name; empty if it is not known.
        fingerprint: Of the index's model.
        index_model: Name of the index's model.
        where: The index.

    Raises:
        UsageError: It is another model.
    """
    if encoder.fingerprint == fingerprint:
        return Relation.SAME
    own = getattr(encoder, "exported_from", None)  # of an export that was given as an object
    for relation, origin in {**lineage(name), **({Relation.EXPORT: own} if own else {})}.items():
        if origin == fingerprint:
            return relation
    raise UsageError(
        f"the model {name or type(encoder).__name__} (fingerprint {encoder.fingerprint[:12]}) is not the index's "
        f"{index_model or 'own'} ({fingerprint[:12]}), nor a student or an export of it.",
        where=where,
        next_step="Use the index's model, or move the index to this one: mling-embed index reencode INDEX --model M.",
    )
