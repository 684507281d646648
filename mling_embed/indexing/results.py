"""What an index answers with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Hit:
    """Hold one answer to a query.

    Attributes:
        query: The query; empty where vectors were asked with.
        rank: From 1.
        score: Higher is better: the cosine (or inner product), or the fused score of a hybrid search.
        id: Of the text.
        document: The document that it is part of, if any.
        start: Where it begins in the document, in characters.
        end: Where it ends.
        language: Of the text.
        text: The text.
        metadata: What else is known of it.
    """

    query: str
    rank: int
    score: float
    id: str
    document: str | None
    start: int | None
    end: int | None
    language: str
    text: str
    metadata: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return the hit as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Added:
    """Hold what became of the texts that were put in.

    Attributes:
        added: New rows.
        replaced: Rows that took the place of others of the same id.
        unchanged: Texts that were there already, with the same id.
        cut_off: The ids of texts longer than the model reads: only their beginning is in their vector.
        removed: Rows of the same documents that are no longer in them.
    """

    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    cut_off: tuple[str, ...] = ()
    removed: int = 0

    def __add__(self, other: Added) -> Added:
        """Return the sum of two."""
        return Added(
            self.added + other.added,
            self.replaced + other.replaced,
            self.unchanged + other.unchanged,
            self.cut_off + other.cut_off,
            self.removed + other.removed,
        )


@dataclass(frozen=True, slots=True)
class IndexStats:
    """Hold what an index is.

    Attributes:
        rows: Texts in it.
        languages: Texts by language.
        documents: Distinct documents.
        model: Name of its model.
        fingerprint: Of the model.
        prompts: The model's, by role.
        dim: Width of a vector.
        metric: ``cosine`` or ``dot``.
        number_format: Of stored vectors.
        harmonized: The languages whose offset is subtracted.
        kind: Of the published generation; empty before the first.
        reason: Why this kind.
        parameters: What it is asked with.
        recall_at_10: Measured when it was built.
        published: Rows in the generation.
        tail: Rows added since, searched exactly.
        deleted: Rows of the generation that were deleted since.
        bytes: Size on disk.
    """

    rows: int
    languages: Mapping[str, int]
    documents: int
    model: str
    fingerprint: str
    prompts: Mapping[str, str]
    dim: int
    metric: str
    number_format: str
    harmonized: tuple[str, ...] = ()
    kind: str = ""
    reason: str = ""
    parameters: Mapping[str, int] = field(default_factory=dict)
    recall_at_10: float | None = None
    published: int = 0
    tail: int = 0
    deleted: int = 0
    bytes: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the facts as JSON values."""
        return asdict(self)
