"""What an export says of itself: where it comes from, what runs it, and how near it came to its source."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from mling_embed.encoders.model_folder import EXPORT_FILE
from mling_embed.encoders.precision import Precision
from mling_embed.errors import DamagedFileError
from mling_embed.files import read_json, sha256_of, write_json


class Runtime(StrEnum):
    """Name what runs an export's graph."""

    ONNX = "onnx"
    OPENVINO = "openvino"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRecord:
    """Describe an export; it stands in its folder as JSON.

    Attributes:
        source: Fingerprint of the encoder that it was made of.
        source_name: Its folder or name.
        runtime: What runs the graph.
        precision: Number format of the products: fp32 or int8.
        graph: File of the graph, from the folder on.
        files: Each file that a vector depends on -> its SHA-256.
        dim: Width of a vector.
        max_seq_length: Tokens after which a text is cut off; `None` if it never is.
        pad_token_id: Fills a batch of texts of unequal lengths.
        prompt: Put before every text without a role.
        prompts: Put before a text of a role.
        parity: How near its vectors come to those of its source; see `Parity`.
    """

    source: str
    source_name: str
    runtime: Runtime
    precision: Precision
    graph: str
    files: Mapping[str, str]
    dim: int
    max_seq_length: int | None
    pad_token_id: int
    prompt: str = ""
    prompts: Mapping[str, str] = field(default_factory=dict)
    parity: Mapping[str, float | int] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> ExportRecord | None:
        """Return the record of an export's folder, or `None` if it is none.

        Raises:
            DamagedFileError: There is one that cannot be read.
        """
        path = folder / EXPORT_FILE
        if not path.is_file():
            return None
        values: Any = read_json(path)
        try:
            known = {name: values[name] for name in cls.__dataclass_fields__}
            known |= {"runtime": Runtime(values["runtime"]), "precision": Precision(values["precision"])}
        except (KeyError, TypeError, ValueError) as error:
            raise DamagedFileError(
                f"is not the record of an export ({error}).", where=path, next_step="Export the model again."
            ) from None
        return cls(**known)

    def write(self, folder: Path) -> None:
        """Write the record into the export's folder."""
        write_json(folder / EXPORT_FILE, asdict(self))

    @property
    def fingerprint(self) -> str:
        """SHA-256 over all that a vector depends on besides its text."""
        facts = {name: value for name, value in asdict(self).items() if name not in ("source_name", "parity")}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def check_files(self, folder: Path) -> None:
        """See that the files are those that were written.

        Raises:
            DamagedFileError: One is missing or has changed.
        """
        for name, expected in self.files.items():
            path = folder / name
            found = sha256_of(path) if path.is_file() else "no file"
            if found != expected:
                raise DamagedFileError(
                    f"SHA-256 is {found[:16]}, expected {expected[:16]}.",
                    where=path,
                    next_step="Copy or export the model again.",
                )
