"""Fit the token table of a static student: each sentence's token vectors, summed, shall point where its target does.

The sum over a sentence's tokens is linear in the table, so this is a sparse linear regression under a cosine loss.
It is solved by mini-batches of rows with a row-sparse Adam: only the rows of tokens that occur in a batch are read
and written.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse
import torch
from jaxtyping import Float32, Int
from numpy import ndarray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialize_tensors
from torch.nn import functional

from mling_embed.distillation.targets import Targets
from mling_embed.encoders.bags import TokenBags
from mling_embed.encoders.teacher import native_bf16
from mling_embed.files import write_bytes
from mling_embed.progress import Progress, silent

logger = logging.getLogger(__name__)

_CHECKPOINT = "fit.safetensors"
_WORK = "fitting token vectors"
_SHRINKAGE = 10.0  # sentences that a token's first estimate is shrunk by
_BETAS = (0.9, 0.999)
_EPSILON = 1e-8


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticFit:
    """How a token table is fitted.

    Attributes:
        epochs: Passes over all sentences.
        batch_size: Sentences per step.
        learning_rate: Of Adam at the start; it falls linearly to zero.
        contrastive_weight: Weight of the in-batch term beside the cosine loss.
        temperature: Of the in-batch term.
        group: Sentences among which a sentence's target must stand out.
        same_meaning: Teacher cosine above which another target is no negative.
        token_dropout: Share of tokens that a sentence loses in each epoch, so that no token leans on a rare one.
        seed: Of the order of sentences and of the dropout.
    """

    epochs: int = 4
    batch_size: int = 4096
    learning_rate: float = 0.02
    contrastive_weight: float = 0.3
    temperature: float = 0.05
    group: int = 2048
    same_meaning: float = 0.9
    token_dropout: float = 0.0
    seed: int = 0


def fit_token_table(
    bags: TokenBags,
    target_rows: Int[ndarray, " n_sentences"],
    targets: Targets,
    *,
    vocabulary_size: int,
    fit: StaticFit = StaticFit(),
    checkpoints: Path | None = None,
    progress: Progress = silent,
) -> Float32[ndarray, "vocabulary dim"]:
    """Fit a token table so that the sum of a sentence's token vectors points at its target.

    Args:
        bags: Token ids of every sentence, English and translations alike.
        target_rows: Number of each sentence's target. Shape: (n_sentences,).
        targets: The teacher's vectors.
        vocabulary_size: Rows of the table.
        fit: Epochs, loss and step sizes.
        checkpoints: Folder for the state after each epoch; a stopped fit goes on from it.
        progress: Told of sentences done.

    Returns:
        The table. Shape: (vocabulary, dim). Rows of tokens that never occurred are zero.
    """
    matrix = torch.from_numpy(targets.matrix())
    state = _State.resume(checkpoints, fit) if checkpoints else None
    if state is None:
        state = _State.begin(torch.from_numpy(_first_estimate(bags, target_rows, matrix, vocabulary_size)))
    n_sentences = len(bags)
    n_steps = fit.epochs * math.ceil(n_sentences / fit.batch_size)
    for epoch in range(state.epoch, fit.epochs):
        random = np.random.default_rng([fit.seed, epoch])
        for rows in _batches(random.permutation(n_sentences), fit.batch_size):
            ids, offsets = bags.select(rows, dropout=fit.token_dropout, random=random)
            used, inverse = np.unique(ids, return_inverse=True)
            wanted = functional.normalize(matrix[target_rows[rows]].float())
            vectors = state.rows(used)
            summed = functional.embedding_bag(torch.from_numpy(inverse), vectors, torch.from_numpy(offsets), mode="sum")
            loss = _loss(functional.normalize(summed), wanted, fit)
            (gradient,) = torch.autograd.grad(loss, vectors)
            state.update(used, gradient, fit.learning_rate * (1 - state.step / n_steps))
            progress(_WORK, min(state.step * fit.batch_size, fit.epochs * n_sentences), fit.epochs * n_sentences)
        state.epoch = epoch + 1
        if checkpoints and state.epoch < fit.epochs:
            state.save(checkpoints, fit)
    progress(_WORK, fit.epochs * n_sentences, fit.epochs * n_sentences)
    return state.table.numpy()


def _loss(student: torch.Tensor, wanted: torch.Tensor, fit: StaticFit) -> torch.Tensor:
    """Cosine distance to the target, and cross-entropy of picking it among its group's targets."""
    loss = (1 - (student * wanted).sum(dim=1)).mean()
    if not fit.contrastive_weight:
        return loss
    group = min(fit.group, len(student))
    n_grouped = len(student) // group * group
    student = student[:n_grouped].view(-1, group, student.shape[1])
    wanted = wanted[:n_grouped].view(-1, group, wanted.shape[1])
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=native_bf16()):
        scores = student @ wanted.transpose(1, 2)
        alike = wanted @ wanted.transpose(1, 2) > fit.same_meaning
    alike.diagonal(dim1=1, dim2=2).fill_(False)
    logits = scores.float().masked_fill(alike, -1.0) / fit.temperature
    labels = torch.arange(group).expand(len(logits), -1)
    contrast = functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
    return loss + fit.contrastive_weight * contrast


@dataclass(slots=True)
class _State:
    """A token table under Adam (Kingma & Ba 2015), of which a step touches only the rows that it used.

    Attributes:
        table, first, second: Token vectors and Adam's moments. Shapes: (vocabulary, dim).
        step: Steps done.
        epoch: Epochs done.
    """

    table: torch.Tensor
    first: torch.Tensor
    second: torch.Tensor
    step: int = 0
    epoch: int = 0

    @classmethod
    def begin(cls, table: torch.Tensor) -> _State:
        """Return the state before the first step."""
        return cls(table, torch.zeros_like(table), torch.zeros_like(table))

    @classmethod
    def resume(cls, folder: Path, fit: StaticFit) -> _State | None:
        """Return the state after the last whole epoch of the same fit, or `None`."""
        path = folder / _CHECKPOINT
        try:
            with safe_open(path, framework="pt") as file:
                about = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in ("table", "first", "second")}
        except FileNotFoundError:
            return None
        except SafetensorError:
            logger.warning("%s is damaged; the fit begins anew", path)
            return None
        if about.get("fit") != repr(fit) or about.get("sha256") != _digest(tensors):
            logger.warning("%s is damaged or of another fit; the fit begins anew", path)
            return None
        return cls(**tensors, step=int(about["step"]), epoch=int(about["epoch"]))

    def save(self, folder: Path, fit: StaticFit) -> None:
        """Write the state whole, with the fit and the hash by which `resume` knows it."""
        tensors = {"table": self.table, "first": self.first, "second": self.second}
        about = {"step": str(self.step), "epoch": str(self.epoch), "fit": repr(fit), "sha256": _digest(tensors)}
        write_bytes(folder / _CHECKPOINT, serialize_tensors(tensors, metadata=about))

    def rows(self, used: Int[ndarray, " n_used"]) -> torch.Tensor:
        return self.table[torch.from_numpy(used)].requires_grad_()

    @torch.no_grad()
    def update(self, used: Int[ndarray, " n_used"], gradient: torch.Tensor, learning_rate: float) -> None:
        """Move the rows of a step against their gradient. Shape: (n_used, dim)."""
        self.step += 1
        index = torch.from_numpy(used)
        first = self.first[index].lerp_(gradient, 1 - _BETAS[0])
        second = self.second[index].mul_(_BETAS[1]).addcmul_(gradient, gradient, value=1 - _BETAS[1])
        self.first[index], self.second[index] = first, second
        scale = learning_rate * math.sqrt(1 - _BETAS[1] ** self.step) / (1 - _BETAS[0] ** self.step)
        self.table[index] -= scale * first / second.sqrt_().add_(_EPSILON)


def _digest(tensors: dict[str, torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()


def _first_estimate(
    bags: TokenBags, target_rows: Int[ndarray, " n"], matrix: torch.Tensor, vocabulary_size: int
) -> Float32[ndarray, "vocabulary dim"]:
    """Start each token at the mean centred target of its sentences, shrunk where they are few."""
    table = np.zeros((vocabulary_size, matrix.shape[1]), dtype=np.float32)
    counts = np.zeros(vocabulary_size, dtype=np.float32)
    center = matrix.float().mean(dim=0).numpy()
    for rows in _batches(np.arange(len(bags)), 8192):
        ids, offsets = bags.select(rows)
        used, inverse = np.unique(ids, return_inverse=True)
        ends = np.append(offsets, len(ids))
        held = scipy.sparse.csr_array((np.ones(len(ids), np.float32), inverse, ends), shape=(len(rows), len(used)))
        table[used] += held.T @ (matrix[target_rows[rows]].float().numpy() - center)
        counts[used] += held.sum(axis=0)
    return table / (counts + _SHRINKAGE)[:, None]


def _batches(rows: Int[ndarray, " n"], size: int) -> Iterator[Int[ndarray, " _"]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
