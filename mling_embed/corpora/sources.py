"""What a manifest offers to a corpus: its parallel text as inputs, with the files resolved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from mling_embed.corpora.corpus_input import LINES, PARTS, CorpusInput
from mling_embed.corpora.fetching import resolve
from mling_embed.corpora.formats import format_named, formats
from mling_embed.corpora.manifests import Manifest, ManifestSplit, Role, SplitFile
from mling_embed.errors import UsageError
from mling_embed.languages import ENGLISH, taken
from mling_embed.progress import Progress, silent


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
    wanted = None if languages is None else list(languages)
    inputs: list[CorpusInput] = []
    for split in manifest.splits:
        if split.role is not role:
            continue
        if split.hub_split is not None:
            inputs += _hub_inputs(manifest, split.hub_split, wanted)
        else:
            for files in _file_inputs(split, wanted):
                paths = tuple(resolve(file, download=download, progress=progress) for file in files)
                inputs.append(_made(paths, files, manifest.name))
    if not inputs:
        asked = "" if wanted is None else f" in {', '.join(sorted(wanted))}"
        raise UsageError(
            f"manifest '{manifest.name}' has no parallel text with English of role {role}{asked}.",
            next_step=f"See 'mling-embed data show {manifest.name}'.",
        )
    return inputs


def _hub_inputs(manifest: Manifest, hub_split: str, wanted: list[str] | None) -> Iterator[CorpusInput]:
    if manifest.hub is None:
        return
    for config in manifest.hub.configs:
        if config.language is None or taken(wanted, config.language):
            yield CorpusInput(
                format="huggingface",
                language=config.language,
                name=manifest.name,
                columns=_columns(manifest.hub.columns),
                dataset=manifest.hub.repo,
                config=config.config,
                split=hub_split,
                revision=manifest.hub.revision,
            )


def _columns(columns: Mapping[str, str | int]) -> dict[str, str | int]:
    return {part: columns[part] for part in PARTS if part in columns}


def _file_inputs(split: ManifestSplit, wanted: list[str] | None) -> Iterator[tuple[SplitFile, ...]]:
    """Yield the files of each input, English first."""
    for file in split.files:
        kind = formats().get(file.format)
        if kind is None or (file.language not in (None, ENGLISH) and not taken(wanted, file.language)):
            continue
        if kind.files == 2:
            sides = [side for side in split.files if side.format == file.format and side.group == file.group]
            if file.language != ENGLISH:
                yield from ((side, file) for side in sides if side.language == ENGLISH)
        elif "english" in file.columns if kind.in_columns else kind.suffixes or file.language == ENGLISH:
            yield (file,)


def _made(paths: tuple[Path, ...], files: tuple[SplitFile, ...], name: str) -> CorpusInput:
    last, kind = files[-1], format_named(files[-1].format)
    return CorpusInput(
        paths=paths,
        members=tuple(file.member for file in files),
        format=kind.name,
        language=None if kind.name == LINES else last.language,
        name=name,
        columns=_columns(last.columns),
        header=last.header if kind.in_columns else None,
        where=last.where,
    )
