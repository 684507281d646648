"""The border to the libraries that load encoders: whatever they raise comes out as an error of ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from safetensors import SafetensorError

from mling_embed.errors import DamagedFileError, DataError, MlingEmbedError

_SENTENCEPIECE = ("sentencepiece", "google.protobuf")
_SENTENCEPIECE_FILES = ("*.model", "*.spm")
_LOST = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
_NETWORK = "Check the name and the network (mling-embed doctor), or give a folder that is on this machine."
_FOLDER = "Give the folder, with all of its files, that SentenceTransformer.save() or save_pretrained() wrote."
_PANIC = "PanicException"  # of Rust code; it is no Exception


@contextmanager
def loading_errors(name: str) -> Iterator[None]:
    """Turn what the block raises into an error that says what is wrong with an encoder; ours pass.

    A full disk and a lack of rights pass too: their errors name the file.

    Args:
        name: The encoder's folder, or its name.

    Raises:
        DamagedFileError: Its weights are cut short.
        DataError: It cannot be loaded.
    """
    try:
        yield
    except (MlingEmbedError, KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError):
        raise
    except SafetensorError as error:
        raise DamagedFileError(
            f"its weights are not whole: {error}", where=name, next_step="Copy or train the model again."
        ) from error
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != _PANIC:
            raise
        if isinstance(error, OSError) and error.filename is not None and not isinstance(error, _LOST):
            raise
        raise _explained(error, name) from error


def _explained(error: BaseException, name: str) -> DataError:
    """Return our error for a library's."""
    told, folder = " ".join(str(error).split()) or type(error).__name__, Path(name)
    if folder.is_dir() and (spm := _sentencepiece_alone(folder)) is not None:
        return DataError(
            f"its tokenizer is a SentencePiece model ({spm.name}), which needs packages that are not installed.",
            where=name,
            next_step="Install them: pip install sentencepiece protobuf",
        )
    if package := re.search(r"pip install (?:-U )?[`'\"]?([\w.-]+)", told):
        return DataError(
            f"cannot be loaded as an encoder: {_short(told)}",
            where=name,
            next_step=f"Install it: pip install {package[1]}",
        )
    if re.search(r"trust_remote_code|contains custom code", told):
        return DataError(
            "cannot be loaded as an encoder: it needs code of its own, which is never run here.",
            where=name,
            next_step="Choose an encoder of a family that transformers knows.",
        )
    if "out of memory" in told or "can't allocate memory" in told:
        return DataError(f"does not fit into memory: {_short(told)}", where=name, next_step="Try another --device.")
    kind = "" if isinstance(error, OSError | ValueError | RuntimeError) else f"{type(error).__name__}: "
    next_step = _FOLDER if folder.is_dir() else _NETWORK
    return DataError(f"cannot be loaded as an encoder: {kind}{_short(told)}", where=name, next_step=next_step)


def _short(told: str, most: int = 300) -> str:
    """Return a library's words, ended as a sentence."""
    cut = told if len(told) <= most else told[:most].rpartition(" ")[0] + " ..."
    return cut if cut.endswith((".", "!", "?")) else f"{cut}."


def _sentencepiece_alone(folder: Path) -> Path | None:
    """Return the SentencePiece model that a folder has for a tokenizer, if nothing here can read it."""
    if any(folder.rglob("tokenizer.json")) or all(_installed(package) for package in _SENTENCEPIECE):
        return None
    return next((path for pattern in _SENTENCEPIECE_FILES for path in sorted(folder.rglob(pattern))), None)


def _installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # its parent is not there
        return False
