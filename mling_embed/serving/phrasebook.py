"""What is served to those who have no index yet: the built-in phrasebook, in all its languages."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from mling_embed.corpora.manifests import manifest_folder
from mling_embed.distillation.phrasebook import phrasebook_config
from mling_embed.distillation.run import run
from mling_embed.files import cache_root, remove_folder, rename, sha256_of
from mling_embed.indexing.index import Index
from mling_embed.indexing.storage.rows import Entry
from mling_embed.progress import Progress, silent

GROUP = "group"
_NOT_LANGUAGES = frozenset({"id", "topic", "split"})


def phrasebook_index(*, progress: Progress = silent) -> Path:
    """Return the folder of an index of the phrasebook, made by a student that was made of it; both are kept.

    Args:
        progress: Told of the work done.
    """
    sentences = manifest_folder() / "phrasebook" / "sentences.tsv"
    folder = cache_root() / "phrasebook" / sha256_of(sentences)[:16]
    index = folder / "index"
    if not index.exists():
        done = run(phrasebook_config(folder / "student"), progress=progress)
        part = folder / "index.part"
        remove_folder(part)
        with Index.create(part, model=done.model) as made:
            made.add_entries(list(entries(sentences)), progress=progress)
            made.publish(progress=progress)
        rename(part, index)
    return index


def entries(sentences: Path) -> Iterator[Entry]:
    """Yield the phrasebook's sentences in all languages; what is a translation of what, their metadata say."""
    with sentences.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            facts = {GROUP: row["id"], "topic": row["topic"]}
            for language in (name for name in row if name not in _NOT_LANGUAGES):
                yield Entry(f"{row['id']}-{language}", row[language], language, metadata=facts)
