"""`align`: which sentences of two documents translate which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from mling_embed.choices import choice
from mling_embed.corpora.lines import Decoding
from mling_embed.errors import DataError, UsageError
from mling_embed.mining.alignment.aligned import Alignment
from mling_embed.mining.alignment.coarse_to_fine import DEFAULT_SKIP, align_spans
from mling_embed.mining.alignment.documents import Document, DocumentInput, Split, read_document
from mling_embed.mining.alignment.dynamic_programming import Step
from mling_embed.mining.alignment.links import Link
from mling_embed.mining.alignment.spans import Spans, average_spans, encode_spans
from mling_embed.mining.sides import GivenVectors, vector_source
from mling_embed.progress import Progress, silent

if TYPE_CHECKING:
    from mling_embed.encoders.contract import Encoder

DEFAULT_MOST = 6
_MOST_OF_ALL = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignOptions:
    """Say how documents are aligned.

    Attributes:
        most: Sentences of a link, both sides together.
        spans: Whether runs of sentences are encoded as texts, or their sentences' vectors averaged: nearly as good,
            in a tenth of the time.
        split: Whether a line is a sentence, or is split by rules.
        skip: What it costs to leave a sentence without a translation, where a link of two sentences gains about 0.5.
        min_score: The score below which a link is not given as a pair.
        decoding: What becomes of a line that is not UTF-8.
    """

    most: int = DEFAULT_MOST
    spans: Spans = Spans.ENCODED
    split: Split = Split.LINES
    skip: float = DEFAULT_SKIP
    min_score: float | None = None
    decoding: Decoding = Decoding.QUARANTINE

    def __post_init__(self) -> None:
        object.__setattr__(self, "spans", choice(Spans, self.spans))
        object.__setattr__(self, "split", choice(Split, self.split))
        if not 2 <= self.most <= _MOST_OF_ALL:
            raise UsageError(f"links of {self.most} sentences, expected 2 to {_MOST_OF_ALL}, both sides together.")
        if not -1 < self.skip < 1:
            raise UsageError(f"a skip cost of {self.skip}, expected one between -1 and 1.")
        if self.min_score is not None and self.min_score != self.min_score:
            raise UsageError("the least score is not a number.")


def align(
    document: DocumentInput,
    other: DocumentInput,
    model: Any = None,
    *,
    vectors: tuple[GivenVectors, GivenVectors] | None = None,
    options: AlignOptions | None = None,
    progress: Progress = silent,
) -> Alignment:
    """Find which sentences of two documents translate which: m:n links in order, without crossings.

    Dynamic programming over the vectors of runs of sentences, coarse to fine, so that time grows with length (Thompson
    and Koehn 2019). A link gains by the cosine of its runs, set against what is usual in both documents, and against
    the sentences beside them, and by how much they are alike in length (Liu and Zhu 2022).

    Args:
        document: A list of sentences, or a file with a sentence a line (``FILE[:lang]``).
        other: Its translation.
        model: The encoder of both: a folder, a name of the hub, or anything with `encode`.
        vectors: In place of a model, a vector for each sentence of either document: arrays, or files; runs get means.
        options: How.
        progress: Told of texts encoded.

    Raises:
        UsageError: The options make no sense.
        DataError: A document cannot be read, holds no sentence, or its vectors do not go with it.

    >>> import numpy as np
    >>> ways = np.eye(3)
    >>> vectors = ways, np.array([[1, 1, 0], [0, 0, 1.0]])
    >>> found = align(["Eins.", "Zwei.", "Drei."], ["One and two.", "Three."], vectors=vectors)
    >>> [(pair.source, pair.target) for pair in found]
    [('Eins. Zwei.', 'One and two.'), ('Drei.', 'Three.')]
    """
    options = options or AlignOptions()
    given = vector_source(model, vectors)
    source, target = (read_document(each, split=options.split, decoding=options.decoding) for each in (document, other))
    if given.encoder is not None:
        return align_documents(source, target, given.encoder, options, progress=progress)
    ours, theirs = (
        average_spans(_rows_of(side, given.given[place], given.names[place]), side.sentences, options.most - 1)
        for place, side in enumerate((source, target))
    )
    return _aligned(source, target, (ours, theirs), options)


def align_documents(
    source: Document, target: Document, encoder: Encoder, options: AlignOptions, *, progress: Progress = silent
) -> Alignment:
    """Align two documents that were read, with an encoder that is loaded."""
    most = options.most - 1 if options.spans is Spans.ENCODED else 1
    both = []
    for side in (source, target):
        spans = encode_spans(side.sentences, encoder, most, joint=side.joint, progress=progress)
        if options.spans is Spans.AVERAGED:
            spans = average_spans(spans[0, 1:], side.sentences, options.most - 1)
        both.append(spans)
    return _aligned(source, target, (both[0], both[1]), options)


def _aligned(
    source: Document,
    target: Document,
    spans: tuple[Float32[ndarray, "most_source _ dim"], Float32[ndarray, "most_target _ dim"]],
    options: AlignOptions,
) -> Alignment:
    lengths = [np.array([len(text) for text in side.sentences], dtype=np.float64) for side in (source, target)]
    steps = align_spans(*spans, (lengths[0], lengths[1]), most=options.most, skip=options.skip)
    return Alignment(source, target, links_of(steps, source, target), options.min_score)


def links_of(steps: Sequence[Step], source: Document, target: Document) -> tuple[Link, ...]:
    """Return steps as links with the sentences' numbers in their documents."""
    links, row, column = [], 0, 0
    for ours, theirs, score in steps:
        numbers = source.numbers[row : row + ours], target.numbers[column : column + theirs]
        links.append(Link(*numbers, score))
        row, column = row + ours, column + theirs
    return tuple(links)


def _rows_of(side: Document, vectors: ndarray, name: str) -> ndarray:
    """Return the vectors of the sentences that are aligned, given one for each that was read."""
    if len(vectors) != side.n_read:
        raise DataError(
            f"{len(vectors):,} vectors for {side.n_read:,} sentences: expected one for each line, empty ones too.",
            where=name,
            next_step="Encode exactly these lines: mling-embed encode MODEL FILE --out VECTORS.npy.",
        )
    return np.asarray(vectors[list(side.numbers)], dtype=np.float32)
