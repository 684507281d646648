"""The receipt in a student's folder: what it was made from, by which a finished run is known without any work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mling_embed.errors import DamagedFileError, DataError
from mling_embed.files import read_json, write_json

RECEIPT_FILE = "distilled_from.json"


def write_receipt(model: Path, sources: Mapping[str, str], *, inputs: Sequence[Path]) -> None:
    """Write down what a student was made from.

    Args:
        model: Its folder.
        sources: ``corpus`` and ``teacher`` -> fingerprint.
        inputs: Files that these were made from; their sizes and times say later whether they are still the same.
    """
    stamps = {str(path.absolute()): _stamp(path) for path in inputs}
    write_json(model / RECEIPT_FILE, {**sources, "inputs": stamps})


def is_finished(model: Path, sources: Mapping[str, str] | None = None) -> bool:
    """Say whether a student is there and made from these sources; without them, from files that have not changed.

    A file that was touched, though its content is the same, says nothing: then the fingerprints must be asked. They
    are compared with the receipt, which takes the new times down.
    """
    path = model / RECEIPT_FILE
    if not path.exists():
        return False
    try:
        receipt = read_json(path)
    except (DataError, DamagedFileError):
        return False
    inputs = receipt.pop("inputs", {})
    if sources is None:
        return bool(inputs) and all(_stamp(Path(name)) == stamp for name, stamp in inputs.items())
    if receipt != dict(sources):
        return False
    write_receipt(model, sources, inputs=[Path(name) for name in inputs])
    return True


def _stamp(path: Path) -> list[int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns]
