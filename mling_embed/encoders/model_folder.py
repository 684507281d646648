"""A model folder on disk: written whole, loaded by plain sentence-transformers; what is no such folder is refused."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mling_embed.files import replacing_folder

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

MODULES_FILE = "modules.json"
LINEAGE_FILE = "distilled_from.json"
EXPORT_RECORD = "exported_from.json"  # of a folder that an export wrote
_CONFIG_FILE = "config.json"
_ADAPTER_FILE = "adapter_config.json"
_SAFE = "*.safetensors"
_WEIGHTS_WITH_CODE = ("pytorch_model*.bin", "model.bin", "model.ckpt", "model.pkl")
_SAVE_AGAIN = "Load it with the version that wrote it (pip install 'sentence-transformers<3'), and save it from there."
_OUR_MODULES = "sentence_transformers."


def write_model(model: SentenceTransformer, folder: Path, *, model_card: str = "", teacher: str = "") -> None:
    """Write a folder that plain sentence-transformers loads; it appears when it is whole.

    Args:
        model: The model; its modules must be sentence-transformers' own.
        folder: Where; an earlier model there is replaced.
        model_card: Text of its README.md.
        teacher: Fingerprint of the encoder in whose space it lives: an index of that one takes its queries.
    """
    needed = sum(weight.numel() * weight.element_size() for weight in model.state_dict().values())
    with replacing_folder(folder, needed=needed) as part:
        model.save(str(part), create_model_card=False)
        (part / "README.md").write_text(model_card, encoding="utf-8")


ba
