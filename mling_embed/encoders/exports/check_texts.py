"""The sentences that an export is compared with its source on: a thousand of the phrasebook, in 14 languages."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass

from mling_embed.corpora.manifests import manifest_folder
from mling_embed.languages import ENGLISH

N_TEXTS = 1_000
_NOT_LANGUAGES = ("id", "topic", "split")


def check_texts(n: int = N_TEXTS) -> list[str]:
    """Return sentences of the phrasebook, each row in another language than the one before."""
    rows = _rows("sentences.tsv")
    languages = [name for name in rows[0] if name not in _NOT_LANGUAGES]
    places = ((row, language) for language in range(len(languages)) for row in range(len(rows)))
    return [rows[row][languages[(row + language) % len(languages)]] for row, language in places][:n]


@dataclass(frozen=True, slots=True)
class GradedPairs:
    """English sentence pairs that people graded by likeness.

    Attributes:
        first, second: The sentences.
        scores: How alike they are.
    """

    first: Sequence[str]
    second: Sequence[str]
    scores: Sequence[float]


def graded_pairs() -> GradedPairs:
    """Return the phrasebook's graded pairs."""
    rows = _rows("sts.tsv")
    first, second = ([row[f"sentence{side}_{ENGLISH}"] for row in rows] for side in (1, 2))
    return GradedPairs(first, second, [float(row["score"]) for row in rows])


def _rows(name: str) -> list[dict[str, str]]:
    path = manifest_folder() / "phrasebook" / name
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
