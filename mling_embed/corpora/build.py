"""`build_corpus`: from inputs to a `ParallelCorpus`, streaming, all or nothing, and only once."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from mling_embed.corpora.archives import label_of, member_names, require_file
from mling_embed.corpora.corpus_input import LINES, CorpusInput
from mling_embed.corpora.decontamination import ExcludedTexts
from mling_embed.corpora.filters import FilterOptions
from mling_embed.corpora.formats import format_named
from mling_embed.corpora.lines import Decoding
from mling_embed.corpora.misalignment import MisalignmentCheck
from mling_embed.corpora.parallel import FORMAT, INFO_FILE, ParallelCorpus, described_files
from mling_embed.corpora.readers import read_input
from mling_embed.corpora.writer import CorpusWriter, Tally
from mling_embed.errors import DamagedFileError, DataError, MlingEmbedError, UsageError
from mling_embed.files import replacing_folder, sha256_of, write_json
from mling_embed.languages import ENGLISH, language_tag
from mling_embed.progress import Progress, silent

logger = logging.getLogger(__name__)

RULES = 2  # goes up when the same inputs and options would give another corpus


def build_corpus(
    inputs: Sequence[CorpusInput],
    out: str | Path,
    *,
    filters: FilterOptions | None = None,
    dev_fraction: float = 0.01,
    exclude: Iterable[str] = (),
    decontaminate: bool = True,
    languages: Iterable[str] | None = None,
    decoding: Decoding = Decoding.QUARANTINE,
    progress: Progress = silent,
) -> ParallelCorpus:
    """Build a corpus folder from inputs, or open the one that is there if it was built from the same.

    Rows stream through: memory holds 20 bytes a distinct sentence or pair, and some batches. An English sentence is
    of the dev split by a hash of its words (case and punctuation aside), so that it is never in both splits. Nothing
    is seen under `out` before it is whole.

    Args:
        inputs: What to read, in order: of two equal pairs the first is kept.
        out: The folder. One that holds an older corpus is replaced; one that holds anything else is refused.
        filters: What is filtered out; by default as `FilterOptions` has it.
        dev_fraction: The share of English sentences in the dev split, from 0 to below 1.
        exclude: Further sentences, in any language, that must not be in the corpus.
        decontaminate: Whether to keep out the sentences of every test set that the manifests name.
        languages: The languages asked for, as `languages.takes` has it (``pt`` takes ``pt-PT``); all by default.
        decoding: What becomes of a line that is not UTF-8.
        progress: Told the rows read.

    Raises:
        UsageError: The options make no sense, or `out` is not a corpus.
        DataError: An input is missing or not in its format.
        DamagedFileError: An input is damaged.
    """
    out = Path(out)
    filters = filters or FilterOptions()
    _check_usage(inputs, out, dev_fraction)
    wanted = None if languages is None else frozenset(language_tag(language) for language in languages)
    described = [_described(source) for source in inputs]
    excluded, sets = _excluded(exclude, decontaminate=decontaminate, progress=progress)
    options = {
        "filters": dataclasses.asdict(filters),
        "dev_fraction": dev_fraction,
        "decoding": str(decoding),
        "languages": None if wanted is None else sorted(wanted),
        "excluded": {"texts": len(excluded), "sha256": excluded.fingerprint, **sets},
    }
    key = _key(described, options)
    if (present := _present(out, key)) is not None:
        return present
    with replacing_folder(out, needed=sum(file["bytes"] for one in described for file in one["files"])) as folder:
        writer = CorpusWriter(folder, filters=filters, excluded=excluded, dev_fraction=dev_fraction, languages=wanted)
        with closing(writer):
            results = [_take(writer, place, source, decoding, progress) for place, source in enumerate(inputs)]
            writer.finish()
        info = _info(writer, inputs, results, described)
        _reconcile(info)
        info |= {"format": FORMAT, "key": key, "options": options, "files": described_files(folder)}
        write_json(folder / INFO_FILE, info)
    return ParallelCorpus.open(out)


def _take(
    writer: CorpusWriter, place: int, source: CorpusInput, decoding: Decoding, progress: Progress
) -> tuple[dict[str, Tally], dict[str, MisalignmentCheck]]:
    return writer.take(
        place,
        source,
        read_input(source, decoding=decoding),
        check_shift=format_named(source.format).in_order,
        progress=lambda done: progress(f"reading {source.name}", done, None),
    )


def _check_usage(inputs: Sequence[CorpusInput], out: Path, dev_fraction: float) -> None:
    if not inputs:
        raise UsageError("no inputs.", next_step="Name at least one file with pairs.")
    if not 0 <= dev_fraction < 1:
        raise UsageError(f"dev_fraction is {dev_fraction}, expected 0 <= dev_fraction < 1.")
    if out.exists() and not _is_corpus(out) and (not out.is_dir() or any(out.iterdir())):
        raise UsageError("not a corpus, and not empty.", where=out, next_step="Name another folder.")


def _is_corpus(folder: Path) -> bool:
    return (folder / INFO_FILE).is_file()


def _described(source: CorpusInput) -> dict[str, Any]:
    """Return what an input is, as ``corpus.json`` has it."""
    local = [Path(source.dataset)] if source.dataset and Path(source.dataset).is_dir() else []
    files = [file for path in dict.fromkeys((*source.paths, *local)) for file in _files_of(path)]
    description: dict[str, Any] = {
        "name": source.name,
        "format": source.format,
        "language": source.language,
        "columns": dict(source.columns),
        "files": [
            {"path": str(path), "bytes": path.stat().st_size, "sha256": sha256_of(path)}
            for path in dict.fromkeys(files)
        ],
    }
    if source.named_language is not None:
        description["named_language"] = source.named_language
    if any(source.members):
        description["members"] = list(source.members)
    if source.header is not None:
        description.update(header=source.header, where=dict(source.where))
    if source.dataset is not None:
        parts = {"dataset": source.dataset, "config": source.config, "split": source.split}
        description.update(parts, revision=source.revision)
        if source.revision is None and not Path(source.dataset).exists():
            logger.warning("%s: no revision is named, so a change of the data set will not be seen.", source.dataset)
    return description


def _files_of(path: Path) -> list[Path]:
    """Return the file at a path, or those in the folder that is there."""
    if path.is_dir():
        return [Path(label_of(path, name)) for name in member_names(path)]
    require_file(path)
    if not path.is_file():
        raise DataError("is a pipe, expected a file: it is read twice.", where=path, next_step="Save it first.")
    return [path]


def _excluded(
    exclude: Iterable[str], *, decontaminate: bool, progress: Progress
) -> tuple[ExcludedTexts, dict[str, Any]]:
    """Return the sentences to keep out, and which test sets they are of."""
    if not decontaminate:
        return ExcludedTexts(exclude), {"checked": [], "not_checked": ["every test set: decontamination is off"]}
    from mling_embed.corpora.evaluation_sentences import EvaluationSentences

    sentences = EvaluationSentences(progress=progress)
    excluded = ExcludedTexts(text for texts in (exclude, sentences) for text in texts)
    if sentences.not_checked:
        logger.warning(
            "%d test sets are not at hand, so their sentences may be in the corpus: %s. "
            "Fetch them: mling-embed data fetch NAME.",
            len(sentences.not_checked),
            ", ".join(sentences.not_checked),
        )
    return excluded, {"checked": sentences.checked, "not_checked": sentences.not_checked}


def _key(described: list[dict[str, Any]], options: dict[str, Any]) -> str:
    """Name what a corpus is built from; where its files lie does not matter."""
    files = [{**one, "files": [file["sha256"] for file in one["files"]]} for one in described]
    text = json.dumps([FORMAT, RULES, files, options], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _present(out: Path, key: str) -> ParallelCorpus | None:
    if not _is_corpus(out):
        return None
    try:
        corpus = ParallelCorpus.open(out)
    except (DataError, DamagedFileError) as error:
        logger.warning("%s; it is built again.", error)
        return None
    return corpus if corpus.info.get("key") == key else None


def _info(
    writer: CorpusWriter,
    inputs: Sequence[CorpusInput],
    results: list[tuple[dict[str, Tally], dict[str, MisalignmentCheck]]],
    described: list[dict[str, Any]],
) -> dict[str, Any]:
    listed, warnings, rejected = [], [], Counter[str]()
    for source, description, (tallies, shifts) in zip(inputs, described, results, strict=True):
        counts = {language: tally.as_json() for language, tally in sorted(tallies.items())}
        for tally in tallies.values():
            rejected.update({str(reason): count for reason, count in tally.rejected.items()})
        listed.append({**description, "languages": counts})
        for language, check in sorted(shifts.items()):
            for first, last, shift in check.found:
                warnings.append({"source": source.name, "language": language, "lines": [first, last], "shift": shift})
                logger.warning(
                    "%s (%s), lines %d to %d: the translations seem to stand %d line(s) too %s.",
                    *(source.name, language, first, last, abs(shift), "low" if shift > 0 else "high"),
                )
    tallies_all = [tally for tallies, _ in results for tally in tallies.values()]
    return {
        "english": writer.n_english,
        "english_dev": writer.n_dev,
        "pairs": dict(sorted(writer.pairs.items())),
        "read": sum(tally.read for tally in tallies_all),
        "kept": sum(tally.kept for tally in tallies_all),
        "rejected": dict(sorted(rejected.items())),
        "shift_warnings": warnings,
        "sources": [source.name for source in inputs],
        "inputs": listed,
    }


def _reconcile(info: dict[str, Any]) -> None:
    """Check that every row read was kept or rejected, and that every kept translation was written."""
    problems = []
    for source in info["inputs"]:
        for language, tally in source["languages"].items():
            rejected = sum(tally["rejected"].values())
            if tally["read"] != tally["kept"] + rejected:
                counts = f"read {tally['read']:,}, kept {tally['kept']:,}, rejected {rejected:,}"
                problems.append(f"{source['name']} ({language}): {counts}")
    alone = sum(
        tally["kept"]
        for source in info["inputs"]
        for language, tally in source["languages"].items()
        if language == ENGLISH or source["format"] == LINES
    )
    if info["kept"] != sum(info["pairs"].values()) + alone:
        problems.append(f"kept {info['kept']:,}, written {sum(info['pairs'].values()):,} pairs and {alone:,} alone")
    if problems:
        raise MlingEmbedError(f"the totals do not reconcile: {'; '.join(problems)}.", next_step="Please report it.")
