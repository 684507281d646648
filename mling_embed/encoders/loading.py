"""Load an encoder by name or from a folder, safetensors only; take anything that has `encode`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mling_embed.encoders.contract import Encoder
from mling_embed.encoders.foreign import ForeignEncoder
from mling_embed.encoders.packaged_multilingual import PACKAGED_MULTILINGUAL, packaged_multilingual
from mling_embed.encoders.packaged_teacher import DEFAULT_TEACHER, packaged_teacher
from mling_embed.encoders.precision import Precision
from mling_embed.encoders.static import StaticEncoder, is_plain_static
from mling_embed.encoders.transformer import TransformerEncoder
from mling_embed.errors import DamagedFileError, DataError, UsageError
from mling_embed.hardware import default_device

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)

_CONTRACT = [name for name in vars(Encoder) if not name.startswith("_")]
_MODEL_MARKS = ("modules.json", "config.json")
_WEIGHTS_WITH_CODE = ("pytorch_model.bin", "model.bin", "model.ckpt", "model.pkl")


def load(
    name_or_path: str | Path,
    *,
    device: str | None = None,
    prompt: str | None = None,
    precision: Precision = Precision.AUTO,
) -> Encoder:
    """Load an encoder: a folder, or a name of the Hugging Face hub.

    Args:
        name_or_path: Folder or name; ``all-MiniLM-L6-v2`` comes with the extra ``teacher``,
            ``multilingual-e5-small-4bit`` with ``offline``.
        device: Where it computes: ``cpu``, ``cuda``, ``mps``. By default the best that there is, which for a static
            encoder is the processor.
        prompt: Text put before every sentence that has no role; by default the model's own default prompt.
        precision: Number format of the products.

    Raises:
        DataError: There is no such folder or name, or it is not an encoder.
        UsageError: The folder holds weights only in a format that can run code.
        DamagedFileError: Its weights are cut short.
    """
    model = load_sentence_transformer(name_or_path, device=device)
    if device is None and is_plain_static(model):
        model.to("cpu")
    return encoder_of_model(model, prompt=prompt, precision=precision)


def encoder_of_model(
    model: SentenceTransformer, *, prompt: str | None = None, precision: Precision = Precision.AUTO
) -> Encoder:
    """Return the encoder of a sentence-transformers model: the fastest that gives its vectors."""
    if is_plain_static(model) and not prompt:
        return StaticEncoder.of(model)
    return TransformerEncoder(model, prompt=prompt, precision=precision)


def sentence_transformer_of(encoder: Encoder) -> SentenceTransformer:
    """Return the sentence-transformers model of an encoder.

    Raises:
        UsageError: It is of another library.
    """
    if isinstance(encoder, TransformerEncoder):
        return encoder.model
    if isinstance(encoder, StaticEncoder):
        return encoder.to_sentence_transformer()
    raise UsageError(
        f"a {type(encoder).__name__} is no sentence-transformers model, whose parts could be taken.",
        next_step="Give a folder or a name of the hub.",
    )


def as_encoder(model: str | Path | Any, *, device: str | None = None) -> Encoder:
    """Return an encoder of whatever a caller has: a name, a folder, a loaded model, or anything with `encode`.

    Raises:
        UsageError: It has no `encode`.
    """
    from sentence_transformers import SentenceTransformer

    if isinstance(model, str | Path):
        return load(model, device=device)
    if isinstance(model, SentenceTransformer):
        return encoder_of_model(model)
    # Asked of the class: an instance would compute its fingerprint to answer.
    if all(hasattr(type(model), name) for name in _CONTRACT):
        encoder: Encoder = model
        return encoder
    return ForeignEncoder(model)


def load_sentence_transformer(name_or_path: str | Path, *, device: str | None = None) -> SentenceTransformer:
    """Load a sentence-transformers folder, a plain transformers folder, or a name of the Hugging Face hub.

    The default teacher comes from the installed ``teacher`` extra where there is one, so that it needs no network;
    ``multilingual-e5-small-4bit`` comes from the ``offline`` extra.
    A plain transformers checkpoint gets mean pooling. Weights are loaded in fp32.

    Args:
        name_or_path: Folder or name.
        device: Where to; the best that there is by default.

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
    elif name == PACKAGED_MULTILINGUAL:
        folder = packaged_multilingual()
        if folder is None:
            raise DataError(
                "is not installed.", where=name, next_step="Run: pip install 'mling-embed[offline]' (Linux, macOS)."
            )
    if folder is not None and folder.exists():
        _refuse_unsafe(folder)
        name = str(folder)
    elif name.count("/") > 1 or name.startswith((".", "/", "~")):
        raise DataError("no such model folder.", where=name, next_step="Give a folder or a name of the hub.")
    try:
        return SentenceTransformer(
            name,
            device=device or default_device(),
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True, "dtype": "float32"},
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
