"""What a student's vectors are trained for: meet their targets, pick them out among others, agree between translations.

Every function takes the whole batch. Where a batch is spread over processes, each gathers the vectors of the others
detached and computes the same loss of all of them: the gradients of the processes *sum* to that of the whole batch
(an engine that averages over processes, as DDP does, needs the loss times their number).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor
from torch.nn import functional

from mling_embed.errors import DataError
from mling_embed.training.settings import LossKind

_ROWS_AT_A_TIME = 65536


@dataclass(frozen=True, slots=True)
class LossParts:
    """The loss of a batch, and what it is made of, before weights. A part of weight zero is not computed, and zero.

    Attributes:
        total: The weighted sum, to be minimised.
        regression: Distance to the targets: mse or cosine.
        contrastive: Cross-entropy of picking the target among targets, and the sentence among sentences.
        scores: Divergence of how the student scores the batch's targets from how the teacher does.
        translation: Cross-entropy of picking a sentence's translations among all sentences.
    """

    total: Tensor
    regression: Tensor
    contrastive: Tensor
    scores: Tensor
    translation: Tensor


def distillation_loss(
    student: Float[Tensor, "n dim"],
    targets: Float[Tensor, "n dim"],
    rows: Int[Tensor, " n"],
    *,
    kind: LossKind = LossKind.COSINE,
    contrastive_weight: float = 0.0,
    score_weight: float = 0.0,
    between_translations: float = 0.0,
    temperature: float = 0.05,
    same_meaning: float = 0.9,
    target_variance: float = 1.0,
) -> LossParts:
    """Return the loss of a batch of sentences, English and translations mixed.

    Regression is that of Reimers & Gurevych 2020, on all sentences alike. In the contrastive parts, translations of
    one row are never each other's negatives, nor are sentences that mean the same to the teacher. Products may run
    in bf16 (autocast); every softmax runs in fp32. Without negatives a contrastive part is zero.

    Args:
        student: The student's vectors, of any length. Gradient flows where they carry one.
        targets: The teacher's vector of each sentence's English row; equal rows have equal targets.
        rows: Number of each sentence's English row: equal numbers are translations of each other.
        kind: Distance to the target.
        contrastive_weight: Weight of the contrastive part between student and targets, mean of both directions.
        score_weight: Weight of the Kullback-Leibler divergence from the teacher's distribution over the batch's targets
            to the student's, each a softmax of cosines (LaKDA 2025, NVIDIA's ScoreDistillLoss).
        between_translations: Weight of the contrastive part between sentences of the same row.
        temperature: Cosines are divided by it.
        same_meaning: Teacher's cosine of two targets from which they are no negatives of each other.
        target_variance: Of the whole corpus (see `target_variance`), so that the mse's scale is the same for every
            teacher and batch.
    """
    wide = torch.promote_types(student.dtype, torch.float32)
    student, targets = student.to(wide), targets.to(wide)
    regression = _regression(student, targets, kind, target_variance)
    contrastive = scores = translation = student.new_zeros(())
    if contrastive_weight or score_weight or between_translations:
        distinct, place = torch.unique(rows, return_inverse=True)
        first = _first_of_each(place, len(distinct))
        directions, wanted = functional.normalize(student), functional.normalize(targets[first])
        likeness = wanted @ wanted.T
        differs = (likeness < same_meaning).fill_diagonal_(False)
        if contrastive_weight or score_weight:
            logits = (directions @ wanted.T).to(wide) / temperature
        if contrastive_weight:
            own = place[:, None] == torch.arange(len(wanted), device=place.device)
            forth = _pick(logits, own, differs[place])
            back = _pick(logits.T, own.T, differs[:, place])
            contrastive = (forth + back) / 2
        if score_weight:
            expected = (likeness.to(wide) / temperature).log_softmax(dim=1)[place]
            scores = functional.kl_div(logits.log_softmax(dim=1), expected, reduction="batchmean", log_target=True)
        if between_translations:
            logits = (directions @ directions.T).to(wide) / temperature
            same = (place[:, None] == place).fill_diagonal_(False)
            translation = _pick(logits, same, differs[place][:, place])
    weighted = contrastive_weight * contrastive + score_weight * scores + between_translations * translation
    return LossParts(regression + weighted, regression, contrastive, scores, translation)


def target_variance(targets: Float[ndarray, "n dim"]) -> float:
    """Return the mean squared distance of targets from their mean, the unit of the mse.

    Raises:
        DataError: The targets are all the same, or not finite.
    """
    total, squares = np.zeros(targets.shape[1]), 0.0
    for start in range(0, len(targets), _ROWS_AT_A_TIME):
        block = targets[start : start + _ROWS_AT_A_TIME].astype(np.float64)
        with np.errstate(invalid="ignore"):  # said below
            total += block.sum(axis=0)
        squares += float(np.square(block).sum())
    n = max(1, len(targets))
    variance = squares / n - float(np.square(total / n).sum())
    if not 1e-6 * squares / n < variance < np.inf:
        raise DataError(
            f"the targets' variance is {variance:.3g}: they are all the same, or not finite.",
            next_step="Choose another teacher, or a larger corpus.",
        )
    return variance


def _regression(student: Tensor, targets: Tensor, kind: LossKind, variance: float) -> Tensor:
    if kind is LossKind.MSE:
        return (student - targets).square().sum(dim=1).mean() / variance
    return (1 - functional.cosine_similarity(student, targets)).mean()


def _first_of_each(place: Int[Tensor, " n"], n_distinct: int) -> Int[Tensor, " n_distinct"]:
    """Return where each of the numbers 0, 1, ... stands first."""
    numbers = torch.arange(len(place), device=place.device)
    return place.new_full((n_distinct,), len(place)).scatter_reduce_(0, place, numbers, "amin")


def _pick(
    logits: Float[Tensor, "n m"], positive: Bool[Tensor, "n m"], negative: Bool[Tensor, "n m"]
) -> Float[Tensor, ""]:
    """Return the cross-entropy of picking a positive among it and the negatives, mean over positives, then over rows.

    Each positive is set against the negatives alone, not against the other positives, which SupCon's L_out (Khosla et
    al. 2020, eq. 2) would push away: SINCERE (Feeney & Hughes 2023). With one positive it is plain cross-entropy.
    A row without positives does not count.
    """
    row, column = positive.nonzero(as_tuple=True)
    against = logits.masked_fill(~negative, torch.finfo(logits.dtype).min).logsumexp(dim=1)
    entropies = functional.softplus(against[row] - logits[row, column])
    counts = positive.sum(dim=1)
    return (entropies / counts[row]).sum() / (counts > 0).sum().clamp(min=1)
