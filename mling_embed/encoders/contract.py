"""The encoder contract: what every encoder of the package gives, whatever it is made of."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Protocol, runtime_checkable


class PromptRole(StrEnum):
    """What a text is to a search, and so which of a model's prompts is put before it."""

    QUERY = "query"
    PASSAGE = "passage"


@runtime_checkable
class Encoder(Protocol):
    """Turn texts into vectors."""

    def encode(self, texts: Any, *, role: PromptRole | None = None) -> Any:
        """Encode texts."""
