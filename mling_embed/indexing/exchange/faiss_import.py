"""Import: the vectors of a FAISS file that is there already, with the ids and texts that they belong to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import faiss
import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from mling_embed.encoders.contract import PromptRole
from mling_embed.errors import DataError, UsageError
from mling_embed.indexing.published.faiss_kinds import read_index
from mling_embed.indexing.storage.rows import Entry
from mling_embed.neighbors.vectors import unit_rows

if TYPE_CHECKING:
    from mling_embed.encoders.contract import Encoder

_SAMPLE = 64
_SAME_COSINE = 0.99  # the same text by the same model, in whatever number format
_LOSSLESS = ("IndexFlat", "IndexFlatIP", "IndexFlatL2", "IndexHNSWFlat", "IndexIVFFlat")


def read_faiss_vectors(path: Path) -> Float32[ndarray, "n dim"]:
    """Return the vectors of a FAISS file, in the order of their numbers.

    Raises:
        UsageError: Its kind does not keep vectors as they were.
        DamagedFileError: FAISS cannot read it.
    """
    index = read_index(path)
    if isinstance(index, faiss.IndexPreTransform):
        raise UsageError("its vectors were transformed before they were stored.", where=path)
    if not isinstance(index, faiss.IndexIDMap):
        return _reconstructed(index, path)
    numbers = faiss.vector_to_array(index.id_map)
    vectors: Float32[ndarray, "n dim"] = _reconstructed(faiss.downcast_index(index.index), path)
    return vectors[np.argsort(numbers, kind="stable")]


def _reconstructed(index: faiss.Index, path: Path) -> Float32[ndarray, "n dim"]:
    kind = type(index).__name__
    if kind not in _LOSSLESS:
        raise UsageError(
            f"is an {kind}, which does not keep vectors as they were; expected one of {', '.join(_LOSSLESS)}.",
            where=path,
            next_step="Encode the texts again: mling-embed index add.",
        )
    if isinstance(index, faiss.IndexIVF):
        index.make_direct_map()
    vectors: Float32[ndarray, "n dim"] = index.reconstruct_n(0, index.ntotal)
    return vectors


def require_vectors_of(
    encoder: Encoder, entries: list[Entry], vectors: Float32[ndarray, "n dim"], *, where: Path
) -> float:
    """Check that vectors are those that a model gives for the texts, on a sample; return the mean cosine.

    Raises:
        DataError: There are not as many, or they have another width or are those of another model.
    """
    if len(entries) != len(vectors):
        raise DataError(
            f"{len(vectors):,} vectors and {len(entries):,} texts: expected as many, in the same order.", where=where
        )
    if vectors.shape[1] != encoder.dim:
        raise DataError(f"vectors of {vectors.shape[1]} dimensions; the model's have {encoder.dim}.", where=where)
    if not len(vectors):
        raise DataError("holds no vectors.", where=where)
    size = min(_SAMPLE, len(vectors))
    chosen = np.sort(np.random.default_rng(0).choice(len(vectors), size, replace=False))
    again = unit_rows(encoder.encode([entries[place].text for place in chosen.tolist()], role=PromptRole.PASSAGE))
    cosines = np.einsum("nd,nd->n", again, unit_rows(vectors[chosen]))
    wrong = np.flatnonzero(cosines < _SAME_COSINE)
    if len(wrong):
        place = int(chosen[wrong[0]])
        raise DataError(
            f"{len(wrong)} of {size} vectors are not those of this model and these texts: vector {place} has a cosine "
            f"of {cosines[wrong[0]]:.3f} to that of {entries[place].text[:60]!r}.",
            where=where,
            next_step="Give the model, and the texts in the order, that the file was made from.",
        )
    return float(cosines.mean())
