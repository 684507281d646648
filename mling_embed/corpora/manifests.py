"""Manifests: what text exists, where each file is, what it must hash to, and on which terms it may be used."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from mling_embed.corpora.formats import formats
from mling_embed.errors import DataError, UsageError
from mling_embed.languages import ENGLISH, language_code, takes
from mling_embed.toml_models import TomlModel, checked, read_toml

NESTED_NAME = "manifest.toml"
# Parts of a row that hold no text of their own.
_NOT_TEXT = frozenset({"language", "score", "label", "id", "relation"})


class Role(StrEnum):
    """Name what a split may be used for."""

    TRAIN = "train"
    DEV = "dev"
    TEST = "test"


class Kind(StrEnum):
    """Name where the files of a manifest live."""

    HTTP = "http"
    HUGGINGFACE = "huggingface"
    LOCAL = "local"


MULTILINGUAL = "mul"  # of a set whose languages are not listed
# Formats of test sets and other files, beside those that `corpora.formats` reads: ``id<TAB>sentence`` as BUCC has it,
# JSON of SQuAD's shape, and what holds no sentences: identifiers, gold alignments, licences.
OTHER_FORMATS = ("id-text", "squad", "auxiliary")


def _format(name: str) -> str:
    if name not in (known := (*formats(), *OTHER_FORMATS)):
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"Did you mean {near[0]}?" if near else f"Use one of {', '.join(known)}."
        raise ValueError(f"there is no format '{name}'. {hint}")
    return name


def _language(name: str) -> str:
    if name == MULTILINGUAL:
        return name
    try:
        return language_code(name)
    except UsageError as error:
        raise ValueError(str(error)) from None


def _https(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc or ":" in parts.netloc:
        raise ValueError(f"'{url}' is not an https:// address with a plain host.")
    return url


def _plain_https(url: str) -> str:
    parts = urlsplit(_https(url))
    if parts.query or parts.fragment or {"", ".", ".."} & set(parts.path.split("/")[1:]):
        raise ValueError(f"'{url}' must be a plain path: no query, fragment, empty part or '..'.")
    return url


Language = Annotated[str, AfterValidator(_language)]
FormatName = Annotated[str, AfterValidator(_format)]
HttpsUrl = Annotated[str, AfterValidator(_https)]
FileUrl = Annotated[str, AfterValidator(_plain_https)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class SplitFile(TomlModel):
    """Describe one file.

    Attributes:
        url: Where it is fetched from (kind ``http``).
        path: Where it stands (kind ``local``): relative to the manifest in TOML, absolute once loaded.
        bytes: Its size.
        sha256: The SHA-256 of its bytes as fetched.
        format: How it is written, inside its compression or archive: a reader of `corpora.formats`, or another.
        language: The language of its text; of the translations in files with two languages.
        group: For ``moses``: line n translates line n of every file with the same.
        member: For archives: the shell pattern of the members to read.
        header: Whether the first row of a TSV or CSV names the columns.
        columns: Column of each part of a row: ``english``, ``other``, ``language``, ``sentence1``, ``score``, ...
            Numbers from 0 in TSV and in CSV without a header, else names.
        where: For TSV with a header: the rows that are meant, by the value that each of these columns must have.
    """

    url: FileUrl | None = None
    path: Path | None = None
    bytes: Annotated[int, Field(ge=0)] | None = None
    sha256: Sha256 | None = None
    format: FormatName
    language: Language | None = None
    group: str | None = None
    member: str | None = None
    header: bool = False
    columns: dict[str, int | str] = Field(default_factory=dict)
    where: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self, info: Any) -> SplitFile:  # pydantic's own type cannot be checked at run time
        if (self.url is None) == (self.path is None):
            raise ValueError("a file has either a url or a path.")
        if self.url is not None and (self.bytes is None or self.sha256 is None):
            raise ValueError(f"{self.url}: bytes and sha256 are required.")
        if self.format == "moses" and (self.group is None or self.language is None):
            raise ValueError(f"{self.name}: the format moses needs a group and a language.")
        if self.where and not (self.header and self.format == "tsv"):
            raise ValueError(f"{self.name}: where needs a TSV with header = true.")
        if self.path is not None and info.context:
            if self.path.is_absolute() or ".." in self.path.parts:
                raise ValueError(f"{self.path}: the path must lead into the manifest's own folder.")
            object.__setattr__(self, "path", Path(info.context["folder"]) / self.path)
        return self

    @property
    def name(self) -> str:
        """The last part of the file's address."""
        return PurePosixPath(urlsplit(self.url).path).name if self.url else (self.path or Path()).name

    def text_columns(self) -> dict[str, int | str]:
        """Return the columns that hold text, without scores, labels and the like."""
        return {part: column for part, column in self.columns.items() if part not in _NOT_TEXT}


class HubConfig(TomlModel):
    """Name one configuration of a hub dataset and the language of its translations, where it has only one."""

    config: str
    language: Language | None = None


class Hub(TomlModel):
    """Describe a dataset of the Hugging Face hub.

    Attributes:
        repo: ``owner/name``.
        revision: The commit.
        columns: Column of each part of a row.
        configs: The configurations that its documentation shows.
    """

    repo: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    columns: dict[str, str]
    configs: tuple[HubConfig, ...] = Field(min_length=1)


class ManifestSplit(TomlModel):
    """Describe one split: its files, or its name on the hub."""

    name: str
    role: Role
    files: tuple[SplitFile, ...] = ()
    hub_split: str | None = None


class Manifest(TomlModel):
    """Describe a set of text: its terms, languages and splits."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
    title: str
    kind: Kind
    homepage: HttpsUrl
    license: str
    commercial_use: bool | Literal["unknown"]
    citation: str
    languages: tuple[Language, ...] = Field(min_length=1)
    notes: str = ""
    hub: Hub | None = None
    splits: tuple[ManifestSplit, ...] = Field(min_length=1)
    documents: tuple[SplitFile, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Manifest:
        problems = [*self._kind_problems(), *self._language_problems()]
        if problems:
            raise ValueError(" ".join(problems))
        return self

    def _kind_problems(self) -> Iterator[str]:
        on_hub = self.kind is Kind.HUGGINGFACE
        if on_hub != (self.hub is not None):
            yield f"kind '{self.kind}' {'needs a' if on_hub else 'has no'} [hub] table."
        names = [split.name for split in self.splits]
        for split in self.splits:
            if names.count(split.name) > 1:
                yield f"two splits are named '{split.name}'."
            if on_hub != (split.hub_split is not None) or on_hub == bool(split.files):
                yield f"split '{split.name}': kind '{self.kind}' needs {'hub_split' if on_hub else 'files'} alone."
        for file in self.files():
            if (file.url is None) != (self.kind is Kind.LOCAL):
                yield f"{file.name}: a file of kind '{self.kind}' has a {'path' if self.kind is Kind.LOCAL else 'url'}."
        # One file may hold several splits (where) and, in columns of their own, several languages.
        used = [(file.url or file.path, file.language, tuple(sorted(file.where.items()))) for file in self.files()]
        if len(set(used)) != len(used):
            yield "a file is listed twice."

    def _language_problems(self) -> Iterator[str]:
        known = {*self.languages, ENGLISH}
        if len(set(self.languages)) != len(self.languages):
            yield "a language is listed twice."
        used = {file.language for file in self.files()}
        if self.hub is not None:
            used |= {config.language for config in self.hub.configs}
        if strange := sorted(language for language in used if language is not None and language not in known):
            yield f"languages lacks {', '.join(strange)}."

    def files(self, role: Role | None = None) -> tuple[SplitFile, ...]:
        """Return the files of the splits with a role; of all splits, and the documents, without one."""
        chosen = tuple(file for split in self.splits if role in (None, split.role) for file in split.files)
        return chosen if role is not None else chosen + self.documents

    def holds(self, asked: str) -> bool:
        """Tell whether one of its languages is meant by one that is asked for."""
        return any(language != MULTILINGUAL and takes(asked, language) for language in self.languages)

    def roles(self) -> tuple[Role, ...]:
        """Return the roles that its splits have, in the order train, dev, test."""
        return tuple(role for role in Role if any(split.role is role for split in self.splits))


def manifest_folder() -> Path:
    """Return the folder of the manifests that come with the package.

    Raises:
        DataError: The package was installed without them.
    """
    package = Path(__file__).parents[1]
    for folder in (package / "data_manifests", package.parent / "data_manifests"):
        if folder.is_dir():
            return folder
    raise DataError("the manifests are not there.", where=package, next_step="Install mling-embed again.")


def manifest_paths() -> dict[str, Path]:
    """Return the file of each manifest by name: ``NAME.toml``, or ``NAME/manifest.toml`` with its data beside it."""
    folder = manifest_folder()
    paths = {path.stem: path for path in folder.glob("*.toml")}
    paths |= {path.parent.name: path for path in folder.rglob(NESTED_NAME) if path.parent != folder}
    return dict(sorted(paths.items()))


def manifest_names() -> list[str]:
    """Return the names of the manifests that come with the package, sorted."""
    return list(manifest_paths())


def load_manifest(name_or_path: str | Path) -> Manifest:
    """Load a manifest by its name, or from a TOML file.

    Raises:
        UsageError: No manifest has the name (the nearest is named), or the manifest has problems (all are listed).
        DataError: There is no such file, or it is not TOML.
    """
    if isinstance(name_or_path, Path) or name_or_path.endswith(".toml"):
        path, name = Path(name_or_path), None
    else:
        paths, name = manifest_paths(), name_or_path
        if name not in paths:
            near = difflib.get_close_matches(name, paths, n=3, cutoff=0.5)
            hint = f"Did you mean {' or '.join(near)}?" if near else "See 'mling-embed data list'."
            raise UsageError(f"there is no manifest '{name}'.", next_step=hint)
        path = paths[name]
    manifest = checked(Manifest, read_toml(path), what="the manifest", where=path)
    if name is not None and manifest.name != name:
        raise UsageError(f"name = '{manifest.name}', expected '{name}' as the file is called.", where=path)
    return manifest


def manifests_with_role(role: Role | str) -> list[Manifest]:
    """Return the manifests that come with the package and have a split with a role, sorted by name."""
    wanted = Role(role)
    manifests = (load_manifest(path) for path in manifest_paths().values())
    return [manifest for manifest in manifests if wanted in manifest.roles()]
