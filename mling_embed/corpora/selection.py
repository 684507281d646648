"""A part of a corpus as a corpus of its own: so many pairs of each language, and the English sentences that they need.

What is not chosen costs nothing from here on: no label of the teacher, no place in an epoch.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Int
from numpy import ndarray

from mling_embed.corpora.parallel import (
    ENGLISH_FILE,
    ENGLISH_SCHEMA,
    INFO_FILE,
    PAIR_SCHEMA,
    REJECTS_FILE,
    PairTable,
    ParallelCorpus,
    Split,
    described_files,
)
from mling_embed.errors import UsageError
from mling_embed.files import replacing_folder, write_json

_ROWS_OF_BATCH = 1 << 16


def select_pairs(
    corpus: ParallelCorpus,
    folder: Path,
    *,
    max_pairs_per_language: int | None = None,
    fits: Bool[ndarray, " n_english"] | None = None,
    seed: int = 0,
) -> ParallelCorpus:
    """Write a part of a corpus into a folder, or open the one that is there if it is the same part of the same corpus.

    The dev split stays as it is, so that students of different parts are measured on the same sentences.

    Args:
        corpus: Parallel text.
        folder: Of the part; an older part there is replaced.
        max_pairs_per_language: Training pairs of a language that are kept, drawn at random; all by default.
        fits: Which English sentences may be learned from, with their translations; all by default.
        seed: Of the draw.

    Raises:
        UsageError: The folder holds something else.
    """
    options = {
        "of": corpus.fingerprint,
        "max_pairs_per_language": max_pairs_per_language,
        "fits": None if fits is None else hashlib.sha256(np.packbits(fits).tobytes()).hexdigest(),
        "seed": seed,
    }
    key = hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest()
    if (folder / INFO_FILE).is_file():
        present = ParallelCorpus.open(folder)
        if present.info.get("key") == key:
            return present
    elif folder.exists() and any(folder.iterdir()):
        raise UsageError("not a corpus, and not empty.", where=folder, next_step="Name another folder.")
    dev = corpus.english_split
    usable = np.ones_like(dev) if fits is None else dev | fits
    chosen = {
        language: _chosen(corpus.pairs(language), dev, usable, max_pairs_per_language, np.random.default_rng(seed))
        for language in corpus.languages
    }
    chosen = {language: places for language, places in chosen.items() if len(places)}
    kept = _english_kept(corpus, chosen, usable)
    with replacing_folder(folder) as part:
        _write_english(corpus, part, kept)
        for language, places in chosen.items():
            _write_pairs(corpus.pairs(language), part / "pairs" / f"{language}.arrow", places, kept)
        shutil.copyfile(corpus.path / REJECTS_FILE, part / REJECTS_FILE)
        info = _info(corpus, chosen, kept) | {"key": key, "selection": options, "files": described_files(part)}
        write_json(part / INFO_FILE, info)
    return ParallelCorpus.open(folder)


def _chosen(
    table: PairTable,
    dev: Bool[ndarray, " n_english"],
    usable: Bool[ndarray, " n_english"],
    most: int | None,
    random: np.random.Generator,
) -> Int[ndarray, " n"]:
    """Return the places of a language's pairs that are kept, ascending: all of dev, and of the others as asked for."""
    of_dev = dev[table.english_rows]
    others = np.flatnonzero(~of_dev & usable[table.english_rows])
    if most is not None and len(others) > most:
        others = random.permutation(others)[:most]
    return np.sort(np.concatenate([np.flatnonzero(of_dev), others]))


def _english_kept(
    corpus: ParallelCorpus, chosen: dict[str, Int[ndarray, " _"]], usable: Bool[ndarray, " n_english"]
) -> Int[ndarray, " n_kept"]:
    """Return the English rows of the chosen pairs, of dev, and those that never had a translation."""
    translated, needed = np.zeros(corpus.n_english, np.bool_), corpus.english_split.copy()
    for language in corpus.languages:
        rows = corpus.pairs(language).english_rows
        translated[rows] = True
        needed[rows[chosen.get(language, [])]] = True
    return np.flatnonzero(needed | (~translated & usable))


def _write_english(corpus: ParallelCorpus, folder: Path, kept: Int[ndarray, " n_kept"]) -> None:
    with pa.ipc.new_file(str(folder / ENGLISH_FILE), ENGLISH_SCHEMA) as writer:
        for start in range(0, len(kept), _ROWS_OF_BATCH):
            rows = kept[start : start + _ROWS_OF_BATCH]
            columns = [pa.array(corpus.english_texts(rows), pa.string()), pa.array(corpus.english_split[rows])]
            writer.write_batch(pa.record_batch(columns, schema=ENGLISH_SCHEMA))


def _write_pairs(table: PairTable, path: Path, places: Int[ndarray, " n"], kept: Int[ndarray, " n_kept"]) -> None:
    path.parent.mkdir(exist_ok=True)
    with pa.ipc.new_file(str(path), PAIR_SCHEMA) as writer:
        for start in range(0, len(places), _ROWS_OF_BATCH):
            part = places[start : start + _ROWS_OF_BATCH]
            columns = [
                pa.array(np.searchsorted(kept, table.english_rows[part])),
                pa.array(table.text_list(part), pa.string()),
                pa.array(table.source_codes[part]),
            ]
            writer.write_batch(pa.record_batch(columns, schema=PAIR_SCHEMA))


def _info(
    corpus: ParallelCorpus, chosen: dict[str, Int[ndarray, " _"]], kept: Int[ndarray, " n_kept"]
) -> dict[str, Any]:
    """Return what ``corpus.json`` says of the part; what was read and rejected is told of the whole."""
    return {
        **corpus.info,
        "english": len(kept),
        "english_dev": len(corpus.english_rows(Split.DEV)),
        "pairs": {language: len(places) for language, places in chosen.items()},
    }
