"""The pretrained student: a multilingual encoder that is there already, pruned, trimmed, with the teacher's head."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mling_embed.corpora.parallel import ParallelCorpus
from mling_embed.encoders.anatomy import encoder_layers
from mling_embed.encoders.heads import fit_head
from mling_embed.encoders.loading import load_sentence_transformer
from mling_embed.encoders.pruning import choose_layers, prune_layers
from mling_embed.encoders.vocabulary_change import trim_vocabulary
from mling_embed.progress import Progress, silent
from mling_embed.training.training_set import training_texts

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)


def starting_student(
    name: str,
    corpus: ParallelCorpus,
    *,
    dim: int,
    unit_norm: bool,
    layers: int | Sequence[int] | None = None,
    trim: bool = False,
    seed: int = 0,
    progress: Progress = silent,
) -> SentenceTransformer:
    """Return a pretrained encoder as a student starts from it: pruned, trimmed, and with the head of its targets.

    Args:
        name: A folder, or a name of the Hugging Face hub.
        corpus: Parallel text, whose tokens a trimmed vocabulary holds.
        dim: Width of the targets.
        unit_norm: Whether the targets have length one.
        layers: Layers to keep, their number or which; all by default.
        trim: Leave out tokens that the corpus does not hold.
        seed: Of a projection, where widths differ.
        progress: Told of the work done.

    Raises:
        UsageError: The encoder has no such layers, or is of a family whose parts are not known.
    """
    student = load_sentence_transformer(name, device="cpu")
    if layers is not None:
        numbers = choose_layers(len(encoder_layers(student)), layers) if isinstance(layers, int) else layers
        student = prune_layers(student, numbers)
    if trim:
        trimmed = trim_vocabulary(student, training_texts(corpus), progress=progress)
        logger.info("trimmed %d rows, %.1f MB", trimmed.rows_saved, trimmed.megabytes_saved)
        student = trimmed.model
    return fit_head(student, dim=dim, unit_norm=unit_norm, seed=seed)
