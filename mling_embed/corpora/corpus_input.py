"""`CorpusInput`: one input of a corpus, its files with their format, language and columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mling_embed.errors import UsageError
from mling_embed.languages import language_tag

PARTS = ("english", "other", "language")
LINES = "lines"  # the format of sentences without translations


@dataclass(frozen=True, slots=True)
class CorpusInput:
    """Describe one input of a corpus.

    Attributes:
        paths: The files, archives or folders: one, or for Moses the English one and then the other one. Empty for
            Hugging Face.
        format: How they are written: the name of a module in `corpora.formats`.
        language: The language asked for, with all that its name says. Rows that name none are taken to be in it, rows
            that name another are rejected. `None` where the rows or the file's header say it, or for English alone.
        named_language: The language that the file's name says: of rows of which nothing else says it.
        name: The label that its pairs carry (their source); the first file's name without suffixes by default.
        columns: Column of each part: ``english``, ``other``, ``language``. Numbers from 0 or names; a dot goes into a
            struct (``translation.de``). Empty: names and content are looked at.
        header: For TSV and CSV, whether the first row names the columns; `None`: it is looked at.
        where: For TSV and CSV with a header, the rows to read: the value that each of these columns must have.
        members: For archives and folders, the shell pattern of the members to read, one for each path.
        dataset: For Hugging Face, the repository or local folder.
        config: For Hugging Face, the configuration.
        split: For Hugging Face, the split.
        revision: For Hugging Face, the commit.
        streaming: For Hugging Face, whether to read without downloading the whole set first.
    """

    paths: tuple[Path, ...] = ()
    format: str = "tsv"
    language: str | None = None
    named_language: str | None = None
    name: str = ""
    columns: Mapping[str, str | int] = field(default_factory=dict)
    header: bool | None = None
    where: Mapping[str, str] = field(default_factory=dict)
    members: tuple[str | None, ...] = ()
    dataset: str | None = None
    config: str | None = None
    split: str = "train"
    revision: str | None = None
    streaming: bool = True

    def __post_init__(self) -> None:
        label = f"input '{self.name}'" if self.name else "input"
        if not self.paths and not self.dataset:
            raise UsageError(f"{label}: neither a file nor a dataset is named.")
        if self.where and not self.header:
            raise UsageError(f"{label}: where needs a header.")
        if unknown := sorted(set(self.columns) - set(PARTS)):
            raise UsageError(f"{label}: unknown columns {unknown}.", next_step="Use english, other and language.")
        if self.members and len(self.members) != len(self.paths):
            raise UsageError(f"{label}: {len(self.members)} member(s) for {len(self.paths)} file(s).")
        if self.language is not None:
            object.__setattr__(self, "language", language_tag(self.language))
        if not self.name:
            source = self.dataset or self.paths[0].name.split(".")[0] or self.paths[0].resolve().name
            object.__setattr__(self, "name", source)

    @property
    def assumed(self) -> str | None:
        """The language of rows of which nothing else says it."""
        return self.language or self.named_language

    def located(self) -> list[tuple[Path, str | None]]:
        """Return each path with its pattern of members."""
        return list(zip(self.paths, self.members or [None] * len(self.paths), strict=True))
