"""Fit the token table of a static student: each sentence's token vectors, summed, shall point where its target does.

The sum over a sentence's tokens is linear in the table, so this is a sparse linear regression under a cosine loss.
It is solved by mini-batches of rows with a row-sparse Adam: only the rows of tokens that occur in a batch are read
and written. It starts from each token's mean target, or from the least squares of all of them.
"""

from __future__ import annotations

import hashlib
import json
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

from mling_embed.files import append_text, write_bytes
from mling_embed.hardware import native_bf16
from mling_embed.progress import Progress, silent
from mling_embed.students.token_least_squares import least_squares_table
from mling_embed.tokenizers.token_bags import TokenBags
from mling_embed.training.curves import COSINE, FIT_LOG_FILE
from mling_embed.training.settings import FitSettings
from mling_embed.training.state import forget_after
from mling_embed.training.targets import Targets

logger = logging.getLogger(__name__)

_CHECKPOINT = "fit.safetensors"
_WORK = "fitting token vectors"
_SHRINKAGE = 10.0  # sentences that a token's first estimate is shrunk by
_BETAS = (0.9, 0.999)
_EPSILON = 1e-8


def fit_token_table(
    bags: TokenBags,
    target_rows: Int[ndarray, " n_sentences"],
    targets: Targets,
    *,
    vocabulary_size: int,
    fit: FitSettings = FitSettings(),  # noqa: B008 -- frozen
    seed: int = 0,
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
        seed: Of the order of sentences and of the dropout.
        checkpoints: Folder for the state after each epoch, from which a stopped fit goes on, and for ``fit.jsonl``: the
            mean cosine of sentences and targets in each epoch, as the fit met them.
        progress: Told of sentences done.

    Returns:
        The table. Shape: (vocabulary, dim). Rows of tokens that never occurred are zero.
    """
    matrix = torch.from_numpy(targets.matrix())
    about = f"{fit!r} seed={seed}"
    state = _State.resume(checkpoints, about) if checkpoints else None
    if state is None:
        start = (
            least_squares_table(
                bags,
                target_rows,
                matrix.numpy(),
                vocabulary_size,
                steps=fit.least_squares_steps,
                penalty=fit.penalty,
                progress=progress,
            )
            if fit.least_squares_steps
            else _first_estimate(bags, target_rows, matrix, vocabulary_size)
        )
        state = _State.begin(torch.from_numpy(start))
    n_sentences = len(bags)
    n_steps, done = fit.epochs * math.ceil(n_sentences / fit.batch_size), state.epoch * n_sentences
    if checkpoints:
        checkpoints.mkdir(parents=True, exist_ok=True)
        forget_after(checkpoints / FIT_LOG_FILE, state.step)
    for epoch in range(state.epoch, fit.epochs):
        random, cosines = np.random.default_rng([seed, epoch]), 0.0
        for rows in _batches(random.permutation(n_sentences), fit.batch_size):
            ids, offsets = bags.select(rows, dropout=fit.token_dropout, random=random)
            used, inverse = np.unique(ids, return_inverse=True)
            wanted = functional.normalize(matrix[target_rows[rows]].float())
            vectors = state.rows(used)
            summed = functional.embedding_bag(torch.from_numpy(inverse), vectors, torch.from_numpy(offsets), mode="sum")
            student = functional.normalize(summed)
            cosines += float(torch.einsum("nd,nd->", student.detach(), wanted))
            (gradient,) = torch.autograd.grad(student, vectors, _pull(student, wanted, fit))
            state.update(used, gradient, fit.learning_rate * (1 - state.step / n_steps))
            done += len(rows)
            progress(_WORK, done, fit.epochs * n_sentences)
        state.epoch = epoch + 1
        if checkpoints:
            record = {"step": state.step, "epoch": state.epoch, COSINE: round(cosines / n_sentences, 6)}
            append_text(checkpoints / FIT_LOG_FILE, json.dumps(record) + "\n")
        if checkpoints and state.epoch < fit.epochs:
            state.save(checkpoints, about)
    return state.table.numpy()


@torch.no_grad()
def _pull(
    student: Float32[torch.Tensor, "n dim"], wanted: Float32[torch.Tensor, "n dim"], fit: FitSettings
) -> Float32[torch.Tensor, "n dim"]:
    """Return the gradient of the loss by the unit-norm sums of a batch, written out: a third of autograd's time.

    The loss is the cosine distance to the target, and the cross-entropy of picking it among its group's targets.
    """
    gradient = -wanted
    group = min(fit.group, len(student))
    n = len(student) // group * group
    if fit.contrastive_weight:
        dtype = torch.bfloat16 if native_bf16() else torch.float32
        blocks = wanted[:n].to(dtype).view(-1, group, wanted.shape[1])
        across = blocks.transpose(1, 2)
        logits = (student[:n] / fit.temperature).to(dtype).view_as(blocks) @ across
        alike = blocks @ across > fit.same_meaning
        alike.diagonal(dim1=1, dim2=2).fill_(False)
        picked = torch.softmax(logits.masked_fill_(alike, -math.inf), dim=-1)
        drawn = (picked @ blocks).flatten(0, 1).float()
        gradient[:n] += fit.contrastive_weight / fit.temperature * len(student) / n * (drawn - wanted[:n])
    return gradient / len(student)


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
    def resume(cls, folder: Path, fit: str) -> _State | None:
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
        if about.get("fit") != fit or about.get("sha256") != _digest(tensors):
            logger.warning("%s is damaged or of another fit; the fit begins anew", path)
            return None
        return cls(**tensors, step=int(about["step"]), epoch=int(about["epoch"]))

    def save(self, folder: Path, fit: str) -> None:
        """Write the state whole, with the fit and the hash by which `resume` knows it."""
        tensors = {"table": self.table, "first": self.first, "second": self.second}
        about = {"step": str(self.step), "epoch": str(self.epoch), "fit": fit, "sha256": _digest(tensors)}
        write_bytes(folder / _CHECKPOINT, serialize_tensors(tensors, metadata=about))

    def rows(self, used: Int[ndarray, " n_used"]) -> torch.Tensor:
        """Return a copy of the rows of a step, to be differentiated by. Shape: (n_used, dim)."""
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
