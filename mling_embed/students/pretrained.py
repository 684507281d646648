"""The pretrained student: a multilingual encoder that is there already, pruned, trimmed, with the teacher's head."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mling_embed.corpora.parallel import ParallelCorpus
from mling_embed.distillation.config import StudentConfig
from mling_embed.encoders.anatomy import encoder_layers
from mling_embed.encoders.heads import fit_head
from mling_embed.encoders.loading import load_encoder
from mling_embed.encoders.pruning import choose_layers, prune_layers
from mling_embed.encoders.teacher import Teacher
from mling_embed.encoders.vocabulary_change import trim_vocabulary
from mling_embed.errors import UsageError
from mling_embed.progress import Progress, silent
from mling_embed.training.training_set import training_texts

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)


def starting_student(
    config: StudentConfig, teacher: Teacher, corpus: ParallelCorpus, *, seed: int = 0, progress: Progress = silent
) -> SentenceTransformer:
    """Return the pretrained encoder that a configuration names: pruned, trimmed, and with the teacher's head.

    Raises:
        UsageError: The configuration asks for what the encoder cannot give.
    """
    if config.name is None:
        raise UsageError("student.name: names no encoder to start from.")
    student = load_encoder(config.name, device="cpu")
    if config.layers is not None:
        kept = config.layers
        numbers = choose_layers(len(encoder_layers(student)), kept) if isinstance(kept, int) else kept
        student = prune_layers(student, numbers)
    if config.trim_vocabulary:
        trimmed = trim_vocabulary(student, training_texts(corpus), progress=progress)
        logger.info("trimmed %d rows, %.1f MB", trimmed.rows_saved, trimmed.megabytes_saved)
        student = trimmed.model
    return fit_head(student, dim=teacher.facts.dim, unit_norm=teacher.facts.unit_norm, seed=seed)
