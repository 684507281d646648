"""`ParallelCorpus`: unique English rows and one table of translations per language, on disk as Arrow files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mling_embed.errors import DamagedFileError, DataError, UsageError
from mling_embed.files import read_json, sha256_of
from mling_embed.languages import language_code

if TYPE_CHECKING:
    import datasets

INFO_FILE = "corpus.json"
ENGLISH_FILE = "english.arrow"
REJECTS_FILE = "rejects.jsonl.zst"
FORMAT = 1
ENGLISH_SCHEMA = pa.schema([("text", pa.string()), ("dev", pa.bool_())])
PAIR_SCHEMA = pa.schema([("english_row", pa.int64()), ("text", pa.string()), ("source", pa.int32())])


class Split(StrEnum):
    """Name a part of a corpus."""

    TRAIN = "train"
    DEV = "dev"


@runtime_checkable
class Vectors(Protocol):
    """Give vectors by the numbers of English rows."""

    def take(self, texts: NDArray[np.int64], /) -> NDArray[Any]:
        """Return the vectors of rows. Shape: (n, dim)."""


@dataclass(frozen=True, slots=True)
class PairTable:
    """Hold the translations of one language.

    Attributes:
        english_rows: The row of each translation's English sentence. Shape: (n_pairs,)
        texts: The translations. Length: n_pairs
        source_codes: Where each came from, as a place in `source_names`. Shape: (n_pairs,)
        source_names: The names of the corpus's inputs.
    """

    english_rows: NDArray[np.int64]
    texts: pa.ChunkedArray
    source_codes: NDArray[np.int32]
    source_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.english_rows)

    def text_list(self, rows: NDArray[np.integer[Any]] | None = None) -> list[str]:
        """Return the translations, or those at `rows` of this table, as Python strings."""
        return _strings(self.texts, rows)

    def first_pairs(self, among: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """Return the place of the first pair of each English row, by ascending row.

        Args:
            among: Places that are looked at, ascending; all by default.
        """
        _, first = np.unique(self.english_rows if among is None else self.english_rows[among], return_index=True)
        return first if among is None else among[first]


class ParallelCorpus:
    """Read a corpus folder: memory-mapped, so that opening costs nothing and rows are read as needed.

    Args:
        path: The folder, as `build_corpus` wrote it.
        info: Its ``corpus.json``.
    """

    def __init__(self, path: Path, info: Mapping[str, Any]) -> None:
        self.path = path
        self.info = info

    @classmethod
    def open(cls, path: str | Path) -> ParallelCorpus:
        """Open a corpus folder.

        Raises:
            DataError: It is not one.
            DamagedFileError: A file is missing or has another size than when it was written.
        """
        path = Path(path)
        if not (path / INFO_FILE).is_file():
            raise DataError(
                f"no corpus here ({INFO_FILE} is missing).", where=path, next_step="Build one: mling-embed data build."
            )
        info = read_json(path / INFO_FILE)
        if not isinstance(info, dict) or info.get("format") != FORMAT:
            raise DataError(f"a corpus of another format, expected {FORMAT}.", where=path, next_step="Build it again.")
        for name, file in info["files"].items():
            size = (path / name).stat().st_size if (path / name).is_file() else None
            if size != file["bytes"]:
                found = "missing" if size is None else f"{size:,} bytes"
                raise DamagedFileError(
                    f"{found}, expected {file['bytes']:,} bytes.", where=path / name, next_step="Build it again."
                )
        return cls(path, info)

    def verify(self) -> None:
        """Compare every file with the SHA-256 recorded for it.

        Raises:
            DamagedFileError: One differs.
        """
        for name, file in self.info["files"].items():
            if sha256_of(self.path / name) != file["sha256"]:
                raise DamagedFileError(
                    "its SHA-256 is not the recorded one.", where=self.path / name, next_step="Build it again."
                )

    @cached_property
    def fingerprint(self) -> str:
        """Name the corpus by its content: the SHA-256 over those of its Arrow files."""
        lines = (f"{name} {file['sha256']}\n" for name, file in sorted(self.info["files"].items()))
        return hashlib.sha256("".join(line for line in lines if ".arrow " in line).encode()).hexdigest()

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages of the translations, sorted."""
        return tuple(sorted(self.info["pairs"]))

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the inputs."""
        return tuple(self.info["sources"])

    @property
    def n_english(self) -> int:
        """The number of distinct English sentences."""
        return int(self.info["english"])

    @property
    def n_pairs(self) -> int:
        """The number of pairs over all languages."""
        return sum(self.info["pairs"].values())

    @cached_property
    def _english(self) -> pa.Table:
        return _mapped(self.path / ENGLISH_FILE)

    @cached_property
    def english_split(self) -> NDArray[np.bool_]:
        """Whether each English row is of the dev split. Shape: (n_english,)."""
        return np.asarray(self._english.column("dev").to_numpy(), dtype=np.bool_)

    def english_rows(self, split: Split | None = None) -> NDArray[np.int64]:
        """Return the rows of a split, ascending. Shape: (n_rows,)."""
        if split is None:
            return np.arange(self.n_english)
        return np.flatnonzero(self.english_split == (split is Split.DEV))

    def require_training_text(self, *, pairs: bool = True) -> None:
        """Check that something is left to learn from.

        Args:
            pairs: Whether English sentences alone are not enough.

        Raises:
            DataError: There are no pairs, or every sentence is of the dev split.
        """
        if not self.n_english or (pairs and not self.n_pairs):
            raise DataError(
                f"the corpus holds no {'pairs' if pairs else 'sentences'}.",
                where=self.path,
                next_step=f"Its {INFO_FILE} says what was rejected, and why.",
            )
        if self.info["english_dev"] == self.n_english:
            counted = f"{self.n_english:,} sentence{'s' if self.n_english > 1 else ''}, in dev"
            raise DataError(
                f"the training split is empty ({counted}).", where=self.path, next_step="Lower data.dev_fraction."
            )

    def english(self, split: Split | None = None) -> pa.ChunkedArray:
        """Return the English sentences, all or those of a split, in the order of their rows."""
        texts = self._english.column("text")
        return texts if split is None else texts.filter(pa.array(self.english_split == (split is Split.DEV)))

    def english_texts(self, rows: NDArray[np.integer[Any]] | None = None) -> list[str]:
        """Return English sentences as Python strings: all, or those at `rows` in that order."""
        return _strings(self._english.column("text"), rows)

    def pairs(self, language: str, split: Split | None = None) -> PairTable:
        """Return the translations of one language, in the order in which they were read.

        Raises:
            UsageError: The corpus has none.
        """
        code = language_code(language)
        if code not in self.info["pairs"]:
            raise UsageError(f"no pairs of '{code}'; it has {', '.join(self.languages) or 'none'}.", where=self.path)
        table = _mapped(self.path / "pairs" / f"{code}.arrow")
        rows = np.asarray(table.column("english_row").to_numpy(), dtype=np.int64)
        codes = np.asarray(table.column("source").to_numpy(), dtype=np.int32)
        texts = table.column("text")
        if split is not None:
            wanted = self.english_split[rows] == (split is Split.DEV)
            rows, codes, texts = rows[wanted], codes[wanted], texts.filter(pa.array(wanted))
        return PairTable(rows, texts, codes, self.sources)

    def to_dataset(self, targets: Vectors, *, split: Split | None = Split.TRAIN) -> datasets.DatasetDict:
        """Return the pairs with their targets, language by language, for sentence-transformers' own trainer.

        Each data set has the columns ``english``, ``non_english`` and ``label``, as `MSELoss` takes them. Texts are
        read into memory, and a language's labels are fp32: 4 * dim bytes a pair.

        Args:
            targets: Gives the vectors of English rows by their numbers, as `mling_embed.training.Targets` does.
            split: Whose pairs; all without one.
        """
        import datasets

        made = {}
        for language in self.languages:
            table = self.pairs(language, split)
            labels = np.asarray(targets.take(table.english_rows), dtype=np.float32)
            columns = {
                "english": pa.array(self.english_texts(table.english_rows), pa.string()),
                "non_english": pa.array(table.text_list(), pa.string()),
                "label": pa.FixedSizeListArray.from_arrays(pa.array(labels.ravel()), labels.shape[1]),
            }
            made[language] = datasets.Dataset(pa.table(columns))
        return datasets.DatasetDict(made)


def described_files(folder: Path) -> dict[str, Any]:
    """Return the size and SHA-256 of each file of a corpus folder, as ``corpus.json`` has them."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.arrow"))
    return {
        name: {"bytes": (folder / name).stat().st_size, "sha256": sha256_of(folder / name)}
        for name in (*names, REJECTS_FILE)
    }


def _mapped(path: Path) -> pa.Table:
    try:
        return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    except (OSError, pa.ArrowInvalid) as error:
        raise DamagedFileError(f"not an Arrow file ({error}).", where=path, next_step="Build it again.") from error


def _strings(texts: pa.ChunkedArray, rows: NDArray[np.integer[Any]] | None) -> list[str]:
    if rows is not None:
        # Taking from string chunks could overflow their 32-bit offsets: ask chunk by chunk, then put in order.
        starts = np.cumsum([0, *(len(chunk) for chunk in texts.chunks)])
        order = np.argsort(rows, kind="stable")
        ordered = np.asarray(rows)[order]
        if len(ordered) and not 0 <= ordered[0] <= ordered[-1] < starts[-1]:
            raise UsageError(f"rows from {ordered[0]} to {ordered[-1]}, but there are {starts[-1]:,}.")
        bounds = np.searchsorted(ordered, starts)
        taken: list[str] = []
        for i, chunk in enumerate(texts.chunks):
            if bounds[i] < bounds[i + 1]:
                taken.extend(chunk.take(pa.array(ordered[bounds[i] : bounds[i + 1]] - starts[i])).to_pylist())
        result = [""] * len(taken)
        for place, text in zip(order.tolist(), taken, strict=True):
            result[place] = text
        return result
    return list(texts.to_pylist())
