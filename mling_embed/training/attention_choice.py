"""Which kernel a training's attention runs in on a CPU: measured on its own sentences, where it is long enough."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import nn

from mling_embed.encoders.attention import Attention, faster_attention
from mling_embed.training.collator import Slice
from mling_embed.training.settings import TrainingSettings

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)

MEASURED_STEPS = 200  # a training of fewer is not worth a measurement
_SLICES = 2


def chosen_attention(
    student: SentenceTransformer,
    model: nn.Module,
    slices: Sequence[Slice],
    *,
    settings: TrainingSettings,
    n_steps: int,
) -> Attention:
    """Return the kernel that the settings name, or else the one that takes less time there and back.

    Args:
        student: Whose attention it is.
        model: Turns slices into vectors by the student.
        slices: Of a batch; the first of them are what is measured.
        settings: Of the training.
        n_steps: Of the training: where they are few, it is plain without a measurement.
    """
    if settings.attention is not Attention.AUTO:
        return settings.attention
    if n_steps < MEASURED_STEPS:
        return Attention.PLAIN
    measured = slices[:_SLICES]

    def there_and_back() -> None:
        model(measured).sum().backward()
        model.zero_grad(set_to_none=True)

    model.train()
    chosen = faster_attention(student, there_and_back)
    logger.info("%s attention, by a measurement of both", chosen)
    return chosen
