"""A model folder on disk: written whole, loaded by plain sentence-transformers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mling_embed.files import replacing_folder

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def write_model(model: SentenceTransformer, folder: Path, *, model_card: str = "") -> None:
    """Write a folder that plain sentence-transformers loads; it appears when it is whole.

    Args:
        model: The model; its modules must be sentence-transformers' own.
        folder: Where; an earlier model there is replaced.
        model_card: Text of its README.md.
    """
    with replacing_folder(folder) as part:
        model.save(str(part), create_model_card=False)
        (part / "README.md").write_text(model_card, encoding="utf-8")
