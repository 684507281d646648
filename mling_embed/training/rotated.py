"""Targets of fewer dimensions, or in an order of dimensions of which every prefix is the best one."""

from __future__ import annotations

import numpy as np

from mling_embed.corpora.parallel import ParallelCorpus, Split
from mling_embed.encoders.contract import Encoder
from mling_embed.encoders.heads import behind
from mling_embed.encoders.loading import encoder_of_model, sentence_transformer_of
from mling_embed.encoders.pca import Rotation
from mling_embed.errors import UsageError
from mling_embed.training.targets import Targets

_ROWS_AT_A_TIME = 65_536


def rotate(
    teacher: Encoder, targets: Targets, corpus: ParallelCorpus, *, unit_norm: bool, dim: int | None = None
) -> tuple[Encoder, Targets, Rotation]:
    """Rotate a teacher and its targets by the principal axes of a corpus's training sentences.

    Args:
        teacher: Whose targets they are.
        targets: Its vectors of the corpus's English rows.
        corpus: Its training split says which axes matter.
        unit_norm: Whether its vectors have length one, as the new ones shall have then.
        dim: Dimensions to keep; all by default, which leaves every cosine as it is.

    Returns:
        The teacher with the rotation behind it; the targets that it gives; the rotation.

    Raises:
        UsageError: `dim` is more than the teacher has.
    """
    if dim is not None and dim > targets.dim:
        raise UsageError(f"student.dimensions: {dim}; the teacher's vectors have {targets.dim}.")
    rotation = Rotation.fit(targets.take(corpus.english_rows(Split.TRAIN)))
    model = behind(sentence_transformer_of(teacher), rotation, dim=dim)
    rotated = encoder_of_model(model, prompt=getattr(teacher, "prompt", None), precision=teacher.precision)
    rows = np.empty((len(targets), dim or targets.dim), dtype=np.float16)
    for start in range(0, len(targets), _ROWS_AT_A_TIME):
        numbers = np.arange(start, min(start + _ROWS_AT_A_TIME, len(targets)))
        part = rotation.apply(targets.take(numbers), dim=dim)
        if unit_norm:
            part /= np.linalg.norm(part, axis=1, keepdims=True).clip(min=1e-12)
        rows[numbers] = part
    places = np.arange(len(targets))
    return rotated, Targets((rows,), np.zeros_like(places), places, rows.shape[1], targets.computed), rotation
