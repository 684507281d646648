"""The receipt in a student's folder: what it was made from, by which a finished run is known without any work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mling_embed.errors import DamagedFileError, DataError
from mling_embed.files import read_json, write_json

RECEIPT_FILE = "distilled_from.json"
_TRUNCATABLE = "truncatable"


def write_receipt(
    model: Path, sources: Mapping[str, str], *, inputs: Sequence[Path], truncatable: bool = False
) -> None:
    """Write down what a student was made from.

    Args:
        model: Its folder.
        sources: ``corpus`` and ``teacher`` -> fingerprint.
        inputs: Files that these were made from; their sizes and times say later whether they are still the same.
        truncatable: Whether every prefix of its vectors is the best one of its length.
    """
    stamps = {str(path.absolute()): _stamp(path) for path in inputs}
    write_json(model / RECEIPT_FILE, {**sources, "inputs": stamps, **({_TRUNCATABLE: True} if truncatable else {})})


def renew_receipt(model: Path, *changed: str) -> None:
    """Take down the new sizes and times of files in a student's folder that were changed since, such as its card."""
    receipt = _receipt(model)
    inputs = receipt.get("inputs", {})
    stamps = {str((model / name).absolute()): _stamp(model / name) for name in changed}
    if inputs.keys() >= stamps.keys():
        write_json(model / RECEIPT_FILE, {**receipt, "inputs": {**inputs, **stamps}})


def is_truncatable(model: Path) -> bool:
    """Say whether a model's folder says of itself that a prefix of its vectors can stand for the whole."""
    return _receipt(model).get(_TRUNCATABLE) is True


def is_finished(model: Path, sources: Mapping[str, str] | None = None) -> bool:
    """Say whether a student is there and made from these sources; without them, from files that have not changed.

    A file that was touched, though its content is the same, says nothing: then the fingerprints must be asked. They
    are compared with the receipt, which takes the new times down.
    """
    receipt = _receipt(model)
    if not receipt:
        return False
    inputs, truncatable = receipt.pop("inputs", {}), receipt.pop(_TRUNCATABLE, False)
    if sources is None:
        return bool(inputs) and all(_stamp(Path(name)) == stamp for name, stamp in inputs.items())
    if receipt != dict(sources):
        return False
    write_receipt(model, sources, inputs=[Path(name) for name in inputs], truncatable=truncatable)
    return True


def _receipt(model: Path) -> dict[str, Any]:
    try:
        receipt = read_json(model / RECEIPT_FILE)
    except (DataError, DamagedFileError, NotADirectoryError):
        return {}
    return receipt if isinstance(receipt, dict) else {}


def _stamp(path: Path) -> list[int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns]
