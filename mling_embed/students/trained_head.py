"""Train a linear head on vectors that are there already: no encoder takes part, so hundreds of steps take seconds."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from numpy import ndarray

from mling_embed.progress import Progress, silent
from mling_embed.training.losses import distillation_loss
from mling_embed.training.settings import LossKind

_WORK = "training the head"
_PASSES = 40
_MOST_STEPS = 600
_BATCH = 512
_LEARNING_RATE = 1e-3
_CONTRASTIVE_WEIGHT = 3.0
_TEMPERATURE = 0.05


def train_head(
    weight: Float32[ndarray, "dim width"],
    bias: Float32[ndarray, " dim"],
    vectors: Float[ndarray, "n width"],
    targets: Float[ndarray, "n_rows dim"],
    rows: Int[ndarray, " n"],
    *,
    steps: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[Float32[ndarray, "dim width"], Float32[ndarray, " dim"]]:
    """Return a head's weight and bias after training: cosine with the target, and picking it out among others.

    Args:
        weight: Where it starts. Shape: (dim, width).
        bias: Where it starts. Shape: (dim,).
        vectors: The encoder's.
        targets: The teacher's vector of each English row.
        rows: The English row of each vector.
        steps: Of Adam, each on some hundred sentences; the rate falls linearly to zero. By default forty passes
            over the sentences, but no more than 600 steps.
        seed: Of the batches.
        progress: Told of steps done.
    """
    batch = min(_BATCH, len(rows))
    steps = min(_MOST_STEPS, _PASSES * len(rows) // batch) if steps is None else steps
    random = np.random.default_rng(seed)
    # A pretrained encoder's vectors lie close together: a step of one size must fit all their numbers.
    center = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    scale = vectors.std(axis=0, dtype=np.float64).clip(min=1e-12).astype(np.float32)
    head = torch.nn.Linear(weight.shape[1], len(weight))
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(weight * scale))
        head.bias.copy_(torch.from_numpy(bias + weight @ center))
    optimizer = torch.optim.Adam(head.parameters(), lr=_LEARNING_RATE)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = _LEARNING_RATE * (1 - step / steps)
        chosen = random.integers(len(rows), size=batch)
        inputs = (vectors[chosen].astype(np.float32) - center) / scale
        loss = distillation_loss(
            head(torch.from_numpy(inputs)),
            torch.from_numpy(targets[rows[chosen]].astype(np.float32)),
            torch.from_numpy(rows[chosen]),
            kind=LossKind.COSINE,
            contrastive_weight=_CONTRASTIVE_WEIGHT,
            temperature=_TEMPERATURE,
        )
        optimizer.zero_grad()
        torch.autograd.backward(loss.total)
        optimizer.step()
        progress(_WORK, step + 1, steps)
    trained = head.weight.detach().numpy() / scale
    return trained, head.bias.detach().numpy() - trained @ center
