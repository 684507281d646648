"""What a step of a training is by its number alone: whether there is one, at which rates, from which seed."""

from __future__ import annotations

import math

import numpy as np

from mling_embed.training.sampler import BatchSampler
from mling_embed.training.settings import TrainingSettings


def number_of_steps(settings: TrainingSettings, sampler: BatchSampler) -> int:
    """Return the steps of a training: those that are set, or all of its epochs."""
    if settings.max_steps is not None:
        return settings.max_steps
    return sum(len(sampler.epoch(number)) for number in range(settings.num_train_epochs))


def seed_of_step(seed: int, step: int, rank: int) -> int:
    """Return the seed of a step's dropout: NumPy promises that this number never changes."""
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0])


def rate_share(step: int, n_steps: int, warmup_ratio: float) -> float:
    """Return the share of the learning rates at a step: a linear rise, then a linear fall to zero."""
    warmup = math.ceil(warmup_ratio * n_steps)
    return (step + 1) / warmup if step < warmup else (n_steps - step) / max(1, n_steps - warmup)
