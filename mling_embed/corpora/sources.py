"""What a manifest offers to a corpus: its parallel text as inputs, with the files resolved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from mling_embed.corpora.fetching import resolve
from mling_embed.corpora.inputs import CorpusInput, InputFormat
from mling_embed.corpora.manifests import FileFormat, Manifest, ManifestSplit, Role, SplitFile
from mling_embed.errors import UsageError
from mling_embed.languages import ENGLISH, language_code
from mling_embed.progress import Progress, silent

# A file of these formats holds both sides of its pairs.
_WHOLE = {
    FileFormat.TSV: InputFormat.TSV,
    FileFormat.CSV: InputFormat.CSV,
    FileFormat.JSONL: InputFormat.JSONL,
    FileFormat.PARQUET: InputFormat.PARQUET,
    FileFormat.TMX: InputFormat.TMX,
    FileFormat.PO: InputFormat.PO,
}
_IN_COLUMNS = {FileFormat.TSV, FileFormat.CSV, FileFormat.JSONL, FileFormat.PARQUET}
_PARTS = ("english", "other", "language")


def corpus_inputs(
    manifest: Manifest,
    *,
    languages: Iterable[str] | None = None,
    role: Role = Role.TRAIN,
    download: bool = True,
    progress: Progress = silent,
) -> list[CorpusInput]:
    """Return the parallel text of a manifest's splits as inputs of `build_corpus`; fetches what is not at hand.

    Args:
        manifest: The manifest.
        languages: The languages that are wanted; all by default.
        role: The splits that are wanted.
        download: Whether the network may be used.
        progress: Told the bytes of downloads.

    Raises:
        UsageError: The manifest has no parallel text with English in such splits and languages.
    """
    wanted = None if languages is None else {language_code(language) for language in languages} - {ENGLISH}
    inputs: list[CorpusInput] = []
    for split in manifest.splits:
        if split.role is not role:
            continue
        if split.hub_split is not None:
            inputs += _hub_inputs(manifest, split.hub_split, wanted)
        else:
            for files, made in _file_inputs(split, wanted):
                paths = tuple(resolve(file, download=download, progress=progress) for file in files)
                inputs.append(_made(made, paths, files[-1], manifest.name))
    if not inputs:
        asked = "" if wanted is None else f" in {', '.join(sorted(wanted))}"
        raise UsageError(
            f"manifest '{manifest.name}' has no parallel text with English of role {role}{asked}.",
            next_step=f"See 'mling-embed data show {manifest.name}'.",
        )
    return inputs


def _hub_inputs(manifest: Manifest, hub_split: str, wanted: set[str] | None) -> Iterator[CorpusInput]:
    if manifest.hub is None:
        return
    for config in manifest.hub.configs:
        if wanted is None or config.language is None or config.language in wanted:
            yield CorpusInput(
                format=InputFormat.HUGGINGFACE,
                language=config.language,
                name=manifest.name,
                columns=_columns(manifest.hub.columns),
                dataset=manifest.hub.repo,
                config=config.config,
                split=hub_split,
                revision=manifest.hub.revision,
            )


def _columns(columns: Mapping[str, str | int]) -> dict[str, str | int]:
    return {part: columns[part] for part in _PARTS if part in columns}


def _file_inputs(split: ManifestSplit, wanted: set[str] | None) -> Iterator[tuple[tuple[SplitFile, ...], InputFormat]]:
    """Yield the files of each input, English first, and its format."""
    english = [file for file in split.files if file.format is FileFormat.MOSES and file.language == ENGLISH]
    for file in split.files:
        if wanted is not None and file.language is not None and file.language not in wanted:
            continue
        if file.format is FileFormat.MOSES and file.language != ENGLISH:
            for side in english:
                if side.group == file.group:
                    yield (side, file), InputFormat.MOSES
        elif file.format in _WHOLE and (file.format not in _IN_COLUMNS or "english" in file.columns):
            yield (file,), _WHOLE[file.format]
        elif file.format is FileFormat.LINES and file.language == ENGLISH:
            yield (file,), InputFormat.LINES


def _made(format_: InputFormat, paths: tuple[Path, ...], last: SplitFile, name: str) -> CorpusInput:
    alone = format_ is InputFormat.LINES
    return CorpusInput(
        paths=paths,
        format=format_,
        language=None if alone else last.language,
        name=name,
        columns=_columns(last.columns),
        header=last.header and format_ is InputFormat.TSV,
        where=last.where,
        member=last.member,
    )
