"""Load an encoder by name or from a folder, safetensors only; take anything that has `encode`."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mling_embed.encoders.contract import Encoder
from mling_embed.encoders.exports.exported import ExportedEncoder
from mling_embed.encoders.foreign import ForeignEncoder
from mling_embed.encoders.loading_errors import loading_errors
from mling_embed.encoders.model_folder import EXPORT_FILE, refuse_folder
from mling_embed.encoders.packaged_multilingual import PACKAGED_MULTILINGUAL, packaged_multilingual
from mling_embed.encoders.packaged_teacher import DEFAULT_TEACHER, packaged_teacher
from mling_embed.encoders.precision import Precision
from mling_embed.encoders.routed import RoutedEncoder, is_router, ways
from mling_embed.encoders.soundness import require_sound
from mling_embed.encoders.static import StaticEncoder, is_plain_static
from mling_embed.encoders.transformer import TransformerEncoder
from mling_embed.errors import DataError, UsageError
from mling_embed.hardware import default_device

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)

_CONTRACT = [name for name in vars(Encoder) if not name.startswith("_")]


def load(
    name_or_path: str | Path,
    *,
    device: str | None = None,
    prompt: str | None = None,
    precision: Precision = Precision.AUTO,
) -> Encoder:
    """Load an encoder: a folder, or a name of the Hugging Face hub.

    An export is run by what it was made for: ONNX Runtime or OpenVINO, on the processor.

    Args:
        name_or_path: Folder or name; ``all-MiniLM-L6-v2`` comes with the extra ``teacher``,
            ``multilingual-e5-small-4bit`` with ``offline``.
        device: Where it computes: ``cpu``, ``cuda``, ``mps``. By default the best that there is, which for a static
            encoder is the processor.
        prompt: Text put before every sentence that has no role; by default the model's own default prompt.
        precision: Number format of the products; an export has the one that it was made in.

    Raises:
        DataError: There is no such folder or name, or it is not an encoder.
        UsageError: The folder holds weights only in a format that can run code.
        DamagedFileError: Its weights are cut short.
    """
    if (Path(name_or_path) / EXPORT_FILE).is_file():
        return ExportedEncoder(Path(name_or_path), prompt=prompt)
    if precision is Precision.INT8:
        what = "has no int8 products: an export alone has them."
        raise UsageError(what, where=name_or_path, next_step="mling-embed export onnx MODEL OUT --int8")
    model = load_sentence_transformer(name_or_path, device=device)
    if device is None and is_plain_static(model):
        model.to("cpu")
    return encoder_of_model(model, prompt=prompt, precision=precision)


@contextmanager
def _quiet_libraries() -> Iterator[None]:
    """Keep back bars, the report of what files lack (it comes as an error of ours), and remarks on prompts."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    sentence_transformers = logging.getLogger("sentence_transformers")
    before = transformers_logging.get_verbosity(), sentence_transformers.level
    transformers_logging.set_verbosity(logging.ERROR)
    sentence_transformers.setLevel(logging.ERROR)
    try:
        yield
    finally:
        transformers_logging.set_verbosity(before[0])
        sentence_transformers.setLevel(before[1])


def encoder_of_model(
    model: SentenceTransformer, *, prompt: str | None = None, precision: Precision = Precision.AUTO
) -> Encoder:
    """Return the encoder of a sentence-transformers model: the fastest that gives its vectors."""
    if is_router(model) and prompt is None:
        with _quiet_libraries():
            query, passage = (encoder_of_model(way, precision=precision) for way in ways(model).values())
        return RoutedEncoder(model, query=query, passage=passage)
    if is_plain_static(model) and not prompt:
        return StaticEncoder.of(model)
    return TransformerEncoder(model, prompt=prompt, precision=precision)


def sentence_transformer_of(encoder: Encoder) -> SentenceTransformer:
    """Return the sentence-transformers model of an encoder.

    Raises:
        UsageError: It is of another library.
    """
    if isinstance(encoder, TransformerEncoder | RoutedEncoder):
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
    A plain transformers checkpoint gets mean pooling. Weights are loaded in fp32. What was loaded is examined
    (`soundness.require_sound`): libraries make up what files lack.

    Args:
        name_or_path: Folder or name.
        device: Where to; the best that there is by default.

    Raises:
        DataError: There is no such folder or name, or it is not an encoder.
        UsageError: The folder holds weights only in a format that can run code.
        DamagedFileError: Its weights are cut short.
    """
    from sentence_transformers import SentenceTransformer

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
        refuse_folder(folder)
        name = str(folder)
    elif name.count("/") > 1 or name.startswith((".", "/", "~")):
        raise DataError("no such model folder.", where=name, next_step="Give a folder or a name of the hub.")
    with loading_errors(name), _quiet_libraries():
        model = SentenceTransformer(
            name,
            device=device or default_device(),
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True, "dtype": "float32"},
        ).float()  # of modules that know no dtype, such as a static table
        require_sound(model, where=name)
    return model
