"""Pairing of documents: which documents of two folders are translations, by their vectors and aligned sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from mling_embed.encoders.contract import Encoder
from mling_embed.errors import UsageError
from mling_embed.mining.alignment.coarse_to_fine import DEFAULT_SKIP, search_band, span_sides
from mling_embed.mining.alignment.documents import Document
from mling_embed.mining.alignment.dynamic_programming import best_steps, link_shapes
from mling_embed.mining.alignment.spans import average_spans, encode_spans
from mling_embed.neighbors.topk import top_k_both
from mling_embed.neighbors.vectors import unit_rows
from mling_embed.progress import Progress, silent

DEFAULT_MIN_SHARE = 0.5
_CANDIDATES = 8  # documents of the other folder that a document is compared with
_MOST = 4  # sentences of a link: enough to tell whether documents belong together
_UNRELATED = 0.99  # the share of unrelated sentences that fit worse than aligned ones must
_SAMPLED = 50_000
_SEED = 0
_WORK = "pairing documents"


@dataclass(frozen=True, slots=True)
class DocumentPair:
    """Hold two documents that belong together.

    Attributes:
        source: The number of the source document.
        target: The number of the target document.
        share: The share of their sentences that are aligned.
    """

    source: int
    target: int
    share: float


def pair_documents(
    sources: Sequence[Document],
    targets: Sequence[Document],
    encoder: Encoder,
    *,
    min_share: float = DEFAULT_MIN_SHARE,
    progress: Progress = silent,
) -> list[DocumentPair]:
    """Find the documents of two collections that are translations of each other, each once at most.

    The mean of a document's sentence vectors, less the collection's mean, gives its nearest documents of the other
    side. With each of them it is aligned; a link counts if it fits better than nearly all unrelated sentences do. The
    share of sentences in such links (arXiv:2411.19096) decides, the largest first.

    Args:
        sources: One collection.
        targets: The other.
        encoder: Encodes the sentences.
        min_share: The least share of aligned sentences.
        progress: Told of documents compared.

    Returns:
        The pairs in the order of the sources.

    Raises:
        UsageError: The least share is none.
    """
    if not 0 <= min_share <= 1:
        raise UsageError(f"a share of {min_share}, expected one between 0 and 1.")
    if not sources or not targets:
        return []
    ours, theirs = (_centered(side, encoder, progress) for side in (sources, targets))
    least = _least_cosine(np.concatenate(ours), np.concatenate(theirs))
    candidates, found = _candidates(ours, theirs), []
    for done, (one, other) in enumerate(candidates):
        progress(_WORK, done, len(candidates))
        share = _share((ours[one], theirs[other]), (sources[one].sentences, targets[other].sentences), least)
        found.append(DocumentPair(one, other, share))
    progress(_WORK, len(candidates), len(candidates))
    return _one_to_one([pair for pair in found if pair.share >= min_share])


def _centered(documents: Sequence[Document], encoder: Encoder, progress: Progress) -> list[Float32[ndarray, "n dim"]]:
    """Return the sentence vectors of each document, less the mean of all, which is what their language adds."""
    every = [sentence for document in documents for sentence in document.sentences]
    vectors = encode_spans(every, encoder, 1, progress=progress)[0, 1:]
    vectors = unit_rows(vectors - vectors.mean(axis=0))
    return np.split(vectors, np.cumsum([len(document) for document in documents])[:-1])


def _least_cosine(ours: Float32[ndarray, "n dim"], theirs: Float32[ndarray, "m dim"]) -> float:
    """Return the cosine that few of unrelated sentences have."""
    drawn = np.random.default_rng(_SEED)
    rows, columns = (drawn.integers(0, len(side), _SAMPLED) for side in (ours, theirs))
    return float(np.quantile(np.einsum("nd,nd->n", ours[rows], theirs[columns], dtype=np.float64), _UNRELATED))


def _candidates(
    ours: Sequence[Float32[ndarray, "_ dim"]], theirs: Sequence[Float32[ndarray, "_ dim"]]
) -> list[tuple[int, int]]:
    """Return the pairs of documents one of which is among the other's nearest."""
    vectors = [unit_rows(np.stack([rows.mean(axis=0) for rows in side])) for side in (ours, theirs)]
    forward, backward = top_k_both(vectors[0], vectors[1], _CANDIDATES)
    pairs = {(one, int(other)) for one, row in enumerate(forward.indices) for other in row}
    pairs |= {(int(one), other) for other, row in enumerate(backward.indices) for one in row}
    return sorted(pairs)


def _share(
    vectors: tuple[Float32[ndarray, "n dim"], Float32[ndarray, "m dim"]],
    sentences: tuple[Sequence[str], Sequence[str]],
    least: float,
) -> float:
    """Return the share of two documents' sentences in links whose cosine is above a least one."""
    spans = [average_spans(rows, texts, _MOST - 1) for rows, texts in zip(vectors, sentences, strict=True)]
    lengths = [np.array([len(text) for text in texts], dtype=np.float64) for texts in sentences]
    sides = [
        replace(side, usual=np.zeros_like(side.usual))  # the vectors are centered over all documents
        for side in span_sides(spans[0], spans[1], (lengths[0], lengths[1]))
    ]
    steps = best_steps(sides[0], sides[1], search_band(*sides), link_shapes(_MOST), DEFAULT_SKIP)
    aligned = sum(ours + theirs for ours, theirs, score in steps if ours and theirs and score > least)
    return aligned / sum(ours + theirs for ours, theirs, _ in steps)


def _one_to_one(pairs: Sequence[DocumentPair]) -> list[DocumentPair]:
    """Return the pairs with the largest shares, no document twice; of equal ones the earlier."""
    taken: tuple[set[int], set[int]] = (set(), set())
    chosen = []
    for pair in sorted(pairs, key=lambda each: (-each.share, each.source, each.target)):
        if pair.source not in taken[0] and pair.target not in taken[1]:
            taken[0].add(pair.source)
            taken[1].add(pair.target)
            chosen.append(pair)
    return sorted(chosen, key=lambda each: each.source)
