"""What a corpus is built from: files with their format, language and columns, given or guessed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from pathlib import Path

from mling_embed.corpora.archives import is_archive, open_members, open_plain, plain_name, require_file
from mling_embed.corpora.lines import read_lines
from mling_embed.errors import UsageError
from mling_embed.languages import language_code

MEMBER_MARK = "!"
_SAMPLED_LINES = 200


class InputFormat(StrEnum):
    """Name how an input is written."""

    TSV = "tsv"
    MOSES = "moses"
    LINES = "lines"
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"
    HUGGINGFACE = "huggingface"
    TMX = "tmx"
    PO = "po"


_SUFFIXES = {
    ".tsv": InputFormat.TSV,
    ".txt": InputFormat.TSV,
    ".jsonl": InputFormat.JSONL,
    ".ndjson": InputFormat.JSONL,
    ".csv": InputFormat.CSV,
    ".parquet": InputFormat.PARQUET,
    ".tmx": InputFormat.TMX,
    ".po": InputFormat.PO,
}


@dataclass(frozen=True, slots=True)
class CorpusInput:
    """Describe one input of a corpus.

    Attributes:
        paths: The files: one, or for Moses the English one and then the other one. Empty for Hugging Face.
        format: How they are written.
        language: The translations' language; `None` where the rows or the file's header say it, or for English alone.
        name: The label that its pairs carry (their source); the first file's name without suffixes by default.
        columns: Column of each part: ``english``, ``other``, ``language``. Numbers from 0 in TSV without a header, else
            names; a dot goes into a struct (``translation.de``).
        header: For TSV, whether the first line names the columns.
        where: For TSV with a header, the rows to read: the value that each of these columns must have.
        member: For archives, the shell pattern of the members to read.
        dataset: For Hugging Face, the repository or local folder.
        config: For Hugging Face, the configuration.
        split: For Hugging Face, the split.
        revision: For Hugging Face, the commit.
        streaming: For Hugging Face, whether to read without downloading the whole set first.
    """

    paths: tuple[Path, ...] = ()
    format: InputFormat = InputFormat.TSV
    language: str | None = None
    name: str = ""
    columns: Mapping[str, str | int] = field(default_factory=dict)
    header: bool = False
    where: Mapping[str, str] = field(default_factory=dict)
    member: str | None = None
    dataset: str | None = None
    config: str | None = None
    split: str = "train"
    revision: str | None = None
    streaming: bool = True

    def __post_init__(self) -> None:
        wanted = {InputFormat.MOSES: 2, InputFormat.HUGGINGFACE: 0}.get(self.format, 1)
        label = f"input '{self.name}'" if self.name else "input"
        if len(self.paths) != wanted:
            raise UsageError(f"{label}: {self.format} takes {wanted} file(s), {len(self.paths)} given.")
        if self.format is InputFormat.HUGGINGFACE and not self.dataset:
            raise UsageError(f"{label}: huggingface needs the name of a dataset.")
        if (self.where and not self.header) or (self.header and self.format is not InputFormat.TSV):
            raise UsageError(f"{label}: header is for TSV, and where for TSV with a header.")
        if unknown := sorted(set(self.columns) - {"english", "other", "language"}):
            raise UsageError(f"{label}: unknown columns {unknown}.", next_step="Use english, other and language.")
        if self.language is not None:
            object.__setattr__(self, "language", language_code(self.language))
        if not self.name:
            source = self.dataset if self.dataset else self.paths[0].name.split(".")[0]
            object.__setattr__(self, "name", source or self.paths[0].name)


def guess_input(text: str, *, name: str = "") -> CorpusInput:
    """Return the input that a command-line word means: ``FILE[:lang]`` or ``ENGLISH,OTHER[:lang]``.

    The format goes by the suffix, compression aside. A TSV holds ``english<TAB>other``, or
    ``language<TAB>english<TAB>other`` when its first column is a language code on every sampled line.
    ``ARCHIVE.zip!PATTERN`` names members. Without ``:lang``, the two files of a Moses pair and a TSV's name
    are looked at for a language (``news.en-de.tsv``, ``news.de``).

    Raises:
        UsageError: The format or the language cannot be told.
        DataError: There is no such file.
    """
    location, language = _split_language(text)
    if "," in location and not Path(location).exists():
        english, _, other = location.partition(",")
        return CorpusInput(
            paths=(Path(english), Path(other)),
            format=InputFormat.MOSES,
            language=language or _language_in(Path(other)),
            name=name,
        )
    file, mark, member = location.partition(MEMBER_MARK)
    path = Path(file)
    named = Path(member) if mark else path
    suffix = Path(plain_name(named)).suffix.lower()
    if not mark and path.is_dir():
        require_file(path)
    if suffix not in _SUFFIXES:
        raise UsageError(
            f"no format goes by the suffix '{suffix}'.",
            where=location,
            next_step=f"Use one of {' '.join(_SUFFIXES)} (.gz .xz .bz2 .zst after it), 'ENGLISH,OTHER:lang' for "
            f"two line-aligned files, or 'ARCHIVE.zip{MEMBER_MARK}*.tsv' for members.",
        )
    format_, columns = _SUFFIXES[suffix], dict[str, str | int]()
    if format_ is InputFormat.TSV and language is None:
        first = _first_column(path, member if mark else None)
        if first and all(_is_language(value) for value in first):
            columns = {"language": 0, "english": 1, "other": 2}
        else:
            language = _language_in(named)
    return CorpusInput(
        paths=(path,), format=format_, language=language, name=name, columns=columns, member=member or None
    )


def _split_language(text: str) -> tuple[str, str | None]:
    location, colon, language = text.rpartition(":")
    if not colon or Path(text).exists() or "/" in language or "\\" in language:
        return text, None
    return location, language_code(language)


def _is_language(word: str) -> bool:
    if not 2 <= len(word) <= 12 or not word[:2].isascii() or not word[:1].islower():
        return False
    try:
        language_code(word)
    except UsageError:
        return False
    return True


def _language_in(path: Path) -> str | None:
    """Return the language that a file's name ends with (``x.de.gz``, ``x.en-de.tsv``), or `None`."""
    for part in reversed(plain_name(path).split(".")[1:]):
        codes = [code for code in part.split("-") if _is_language(code)]
        others = [code for code in codes if language_code(code) != "en"]
        if codes and len(codes) == len(part.split("-")) and len(others) == 1 and part not in ("tsv", "csv", "txt"):
            return others[0]
    return None


def _first_column(path: Path, member: str | None) -> list[str]:
    if is_archive(path):
        for _, stream in open_members(path, member or "*"):
            return [line.text.partition("\t")[0] for line in islice(read_lines(stream), _SAMPLED_LINES)]
    with open_plain(path) as stream:
        rows = [line.text.split("\t") for line in islice(read_lines(stream, where=path), _SAMPLED_LINES)]
    return [row[0] for row in rows] if all(len(row) >= 3 for row in rows) else []
