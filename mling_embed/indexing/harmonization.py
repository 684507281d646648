"""Harmonization: subtract each language's mean offset from English (SHIFT, arXiv 2606.18801)."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray

from mling_embed.encoders.contract import PromptRole
from mling_embed.errors import DataError
from mling_embed.languages import ENGLISH, language_code
from mling_embed.neighbors.vectors import unit_rows

if TYPE_CHECKING:
    from mling_embed.encoders.contract import Encoder
    from mling_embed.indexing.storage.rows import Row

FEWEST_PAIRS = 20
Pairs = Iterable[tuple[str, str, str]]
"""(English, translation, language) of parallel sentences."""


@dataclass(frozen=True, slots=True)
class Harmonization:
    """Hold the mean offset of each language's vectors from those of their English translations.

    Attributes:
        offsets: A vector for each language. Shapes: (dim,).
        n_pairs: How many pairs each is the mean of.
    """

    offsets: Mapping[str, Float32[ndarray, " dim"]]
    n_pairs: Mapping[str, int]

    def apply(self, vectors: Float[ndarray, "n dim"], languages: Sequence[str | None]) -> Float32[ndarray, "n dim"]:
        """Subtract from each vector the offset of its language, and scale it to norm 1 again.

        Vectors of other languages stay as they are.

        Args:
            vectors: Unit-norm vectors. Shape: (n, dim).
            languages: The language of each.
        """
        moved = np.array(vectors, dtype=np.float32)
        by_language: dict[str, list[int]] = {}
        for place, language in enumerate(languages):
            if language in self.offsets:
                by_language.setdefault(str(language), []).append(place)
        for language, places in by_language.items():
            moved[places] = unit_rows(moved[places] - self.offsets[language])
        return moved

    @property
    def fingerprint(self) -> str:
        """What the offsets hash to."""
        digest = blake2b(digest_size=16)
        for language, offset in sorted(self.offsets.items()):
            digest.update(language.encode() + offset.tobytes())
        return digest.hexdigest()

    def as_json(self) -> dict[str, Any]:
        """Return the offsets as JSON values."""
        return {
            language: {"pairs": self.n_pairs[language], "offset": base64.b64encode(offset.tobytes()).decode()}
            for language, offset in sorted(self.offsets.items())
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Harmonization:
        """Return the offsets that `as_json` gave."""
        offsets = {
            language: np.frombuffer(base64.b64decode(found["offset"]), dtype=np.float32)
            for language, found in value.items()
        }
        return cls(offsets, {language: int(found["pairs"]) for language, found in value.items()})


def measure_offsets(
    vectors: Mapping[str, tuple[Float[ndarray, "_ dim"], Float[ndarray, "_ dim"]]],
) -> Harmonization:
    """Measure each language's offset on pairs of translations.

    Args:
        vectors: By language: the vectors of sentences, and those of their English translations.

    Raises:
        DataError: A language has fewer than 20 pairs: their mean says little.
    """
    offsets, counts = {}, {}
    for language, (foreign, english) in vectors.items():
        if len(foreign) < FEWEST_PAIRS:
            raise DataError(
                f"{len(foreign)} pairs in '{language}' are too few to measure its offset: at least {FEWEST_PAIRS}.",
                next_step="Give more pairs, or leave the language out.",
            )
        difference = unit_rows(foreign).mean(axis=0, dtype=np.float64) - unit_rows(english).mean(
            axis=0, dtype=np.float64
        )
        offsets[language], counts[language] = difference.astype(np.float32), len(foreign)
    return Harmonization(offsets, counts)


def measure_by(encoder: Encoder, pairs: Pairs) -> Harmonization:
    """Measure each language's offset from English, by a model, on parallel sentences.

    Raises:
        DataError: There are none, or too few in a language.
    """
    sides: dict[str, tuple[list[str], list[str]]] = {}
    for english, other, name in pairs:
        if (language := language_code(name)) != ENGLISH:
            foreign, anchors = sides.setdefault(language, ([], []))
            foreign.append(other)
            anchors.append(english)
    if not sides:
        raise DataError("no pairs to measure offsets on.", next_step="Give (English, translation, language).")
    return measure_offsets(
        {
            language: (
                encoder.encode(foreign, role=PromptRole.PASSAGE),
                encoder.encode(anchors, role=PromptRole.PASSAGE),
            )
            for language, (foreign, anchors) in sides.items()
        }
    )


def searched_vectors(rows: Sequence[Row], harmonization: Harmonization | None) -> Float32[ndarray, "n dim"]:
    """Return the vectors that rows are searched with, from those that are stored. Shape: (n, dim)."""
    vectors = np.stack([row.vector for row in rows]).astype(np.float32, copy=False)
    if harmonization is None:
        return vectors
    return harmonization.apply(vectors, [row.entry.language for row in rows])
