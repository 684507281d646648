"""Spans: runs of consecutive sentences of a document and their vectors, encoded or averaged."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray

from mling_embed.encoders.contract import Encoder, PromptRole
from mling_embed.errors import DataError
from mling_embed.neighbors.vectors import unit_rows
from mling_embed.progress import Progress, silent

_PIECE = 1024  # texts that are encoded in one call
_WORK = "encoding spans"


class Spans(StrEnum):
    """Name where the vectors of spans come from: each span encoded as a text, or its sentences' vectors averaged."""

    ENCODED = "encoded"
    AVERAGED = "averaged"


def encode_spans(
    sentences: Sequence[str], encoder: Encoder, most: int, *, joint: str = " ", progress: Progress = silent
) -> Float32[ndarray, "most _ dim"]:
    """Encode the spans of a document, each distinct text once.

    Args:
        sentences: The document.
        encoder: Encodes them, as queries, which translations are of each other.
        most: Sentences of the longest span.
        joint: What stands between the sentences of a span.
        progress: Told of texts encoded.

    Returns:
        Unit vectors: ``[length - 1, stop]`` is that of the span that ends before sentence `stop`; zeros where there is
        none. Shape: (most, n_sentences + 1, dim).

    Raises:
        DataError: A vector is not finite.
    """
    texts: dict[str, int] = {}
    places = [
        (length - 1, stop, texts.setdefault(joint.join(sentences[stop - length : stop]), len(texts)))
        for length in range(1, most + 1)
        for stop in range(length, len(sentences) + 1)
    ]
    distinct, parts = list(texts), []
    for start in range(0, len(distinct), _PIECE):
        progress(_WORK, start, len(distinct))
        parts.append(unit(encoder.encode(distinct[start : start + _PIECE], role=PromptRole.QUERY)))
    progress(_WORK, len(distinct), len(distinct))
    spans = np.zeros((most, len(sentences) + 1, encoder.dim), dtype=np.float32)
    if places:
        lengths, stops, rows = np.array(places).T
        spans[lengths, stops] = np.concatenate(parts)[rows]
    return spans


def average_spans(
    vectors: Float[ndarray, "n dim"], sentences: Sequence[str], most: int
) -> Float32[ndarray, "most _ dim"]:
    """Return the unit vectors of spans as means of their sentences' unit vectors, weighted by characters.

    The weights make up for what a mean over tokens would have; no span is encoded.

    Args:
        vectors: Of the sentences. Shape: (n, dim).
        sentences: Their texts.
        most: Sentences of the longest span.

    Raises:
        DataError: A vector is not finite.
    """
    weights = np.array([len(text) for text in sentences], dtype=np.float64) + 1.0
    sums = np.zeros((len(sentences) + 1, vectors.shape[1]), dtype=np.float64)
    np.cumsum(unit(vectors) * weights[:, None], axis=0, out=sums[1:])
    spans = np.zeros((most, len(sentences) + 1, vectors.shape[1]), dtype=np.float32)
    for length in range(1, min(most, len(sentences)) + 1):
        spans[length - 1, length:] = unit_rows((sums[length:] - sums[:-length]).astype(np.float32))
    return spans


def unit(vectors: Float[ndarray, "n dim"]) -> Float32[ndarray, "n dim"]:
    """Return vectors at unit length, having seen that all are finite.

    Raises:
        DataError: One is not.
    """
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        row = int(np.flatnonzero(~finite)[0])
        raise DataError(f"vector {row} is not finite.", where="encoder", next_step="Look at the encoder that made it.")
    return unit_rows(np.asarray(vectors, dtype=np.float32))
