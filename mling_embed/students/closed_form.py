"""A linear head in closed form: from a pretrained encoder's vectors to the teacher's, before any training.

A multilingual encoder puts a sentence beside its translations, only in a space of its own. A linear map from there to
the teacher's vectors is a regression with a closed form, so a student starts in the teacher's space after one pass
over a few thousand sentences. English sentences alone can teach it: what it learns of them holds for other languages.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int
from numpy import ndarray

from mling_embed.errors import DataError
from mling_embed.progress import Progress, silent
from mling_embed.students.trained_head import train_head

logger = logging.getLogger(__name__)

RIDGES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
_RIDGE_OF_FEW = 1e-2  # where nothing can be held out to choose by
_HELD_OUT_SHARE = 0.1
_HELD_OUT_ROWS = (20, 2_000)
_ROWS_AT_A_TIME = 8_192


class HeadKind(StrEnum):
    """How a head is found.

    `ridge`: linear regression with a penalty on the weights' squares.
    `orthogonal`: rotation, scale and shift (Procrustes), which leaves the encoder's own angles about its mean as they
        are; where widths agree.
    `trained`: some hundred steps of gradient descent from the best of the others, on cosine and contrast.
    """

    RIDGE = "ridge"
    ORTHOGONAL = "orthogonal"
    TRAINED = "trained"


@dataclass(frozen=True, slots=True)
class LinearHead:
    """A map from an encoder's vectors into the teacher's space.

    Attributes:
        weight: Shape: (dim, width).
        bias: Shape: (dim,).
    """

    weight: Float32[ndarray, "dim width"]
    bias: Float32[ndarray, " dim"]

    def apply(self, vectors: Float[ndarray, "n width"]) -> Float32[ndarray, "n dim"]:
        """Map vectors. Shape: (n, dim), of any length."""
        mapped: Float32[ndarray, "n dim"] = vectors.astype(np.float32) @ self.weight.T + self.bias
        return mapped


@dataclass(frozen=True, slots=True)
class HeadTrial:
    """How well a head does on sentences that it was not fitted to.

    Attributes:
        kind: How it was found.
        width: Leading numbers of a vector that it reads.
        ridge: Its penalty, as a share of the vectors' mean variance; `None` of a head without one.
        accuracy: Share of the sentences that are nearest to their own target among those held out.
        cosine: Mean cosine with the target.
    """

    kind: HeadKind
    width: int
    ridge: float | None
    accuracy: float
    cosine: float


@dataclass(frozen=True, slots=True)
class FittedHead:
    """A head, and what it was chosen from.

    Attributes:
        head: Fitted to all sentences in the way that did best.
        kind: That way.
        ridge: Its penalty, or that of the head that its training began with; `None` if there was none.
        trials: All that were measured, the best first; none where there was too little to hold out.
    """

    head: LinearHead
    kind: HeadKind
    ridge: float | None
    trials: tuple[HeadTrial, ...]


def closed_form_head(
    vectors: Float[ndarray, "n width"],
    targets: Float[ndarray, "n_rows dim"],
    rows: Int[ndarray, " n"],
    *,
    kinds: Sequence[HeadKind] = tuple(HeadKind),
    widths: Sequence[int] = (),
    ridges: Sequence[float] = RIDGES,
    training_steps: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> FittedHead:
    """Fit the linear head that does best on held-out sentences.

    A tenth of the rows, with all their translations, is held out; each kind and penalty is fitted to the others, and
    the one that finds most held-out targets (then: the higher cosine) is fitted again to all.

    Args:
        vectors: The encoder's, of English sentences and translations alike, as they reach the head.
        targets: The teacher's vector of each English row.
        rows: The English row of each vector: equal numbers are translations of each other.
        kinds: Which to try; `orthogonal` only reads as many numbers as a target has.
        widths: Leading numbers of a vector that a head may read, the usual choice first; by default all.
        ridges: Penalties to try, as shares of the vectors' mean variance.
        training_steps: Of the trained head; by default by the number of sentences.
        seed: Of the rows held out, and of a training's batches.
        progress: Told of a training's steps.

    Raises:
        DataError: There are fewer than two sentences, a vector is not finite, or the vectors are all the same.
    """
    _require_fit(vectors, targets, rows)
    widths = widths or (vectors.shape[1],)
    held_out = _held_out(rows, seed)
    fitting = _Moments.of(vectors[~held_out], targets, rows[~held_out])
    if not held_out.any():
        return FittedHead(fitting.leading(widths[0]).ridge(_RIDGE_OF_FEW), HeadKind.RIDGE, _RIDGE_OF_FEW, ())
    judge = _Judge(vectors[held_out], targets, rows[held_out])
    trials = [trial for width in widths for trial in _linear_trials(fitting.leading(width), judge, kinds, ridges)]
    best = max(trials, key=_worth)
    train = partial(train_head, steps=training_steps, seed=seed)
    if HeadKind.TRAINED in kinds:
        start = fitting.head(best)
        others = vectors[~held_out, : best.width], targets, rows[~held_out]
        trials.append(judge(LinearHead(*train(start.weight, start.bias, *others)), HeadKind.TRAINED, best.ridge))
    chosen = max(trials, key=_worth)
    logger.info("head: %s", chosen)
    head = (fitting + _Moments.of(vectors[held_out], targets, rows[held_out])).head(best)
    if chosen.kind is HeadKind.TRAINED:
        everything = vectors[:, : best.width], targets, rows
        head = LinearHead(*train(head.weight, head.bias, *everything, progress=progress))
    return FittedHead(head, chosen.kind, chosen.ridge, tuple(sorted(trials, key=_worth, reverse=True)))


def _linear_trials(
    fitting: _Moments, judge: _Judge, kinds: Sequence[HeadKind], ridges: Sequence[float]
) -> Iterator[HeadTrial]:
    """Measure every head that has a closed form."""
    if HeadKind.RIDGE in kinds or HeadKind.ORTHOGONAL not in kinds:  # a training needs a start
        for ridge in ridges:
            yield judge(fitting.ridge(ridge), HeadKind.RIDGE, ridge)
    dim, width = fitting.cross.shape
    if HeadKind.ORTHOGONAL in kinds and width == dim:
        yield judge(fitting.orthogonal(), HeadKind.ORTHOGONAL, None)


@dataclass(frozen=True, slots=True)
class _Moments:
    """Sums over pairs of vector and target, in double precision: all that a linear fit needs to know of them."""

    n: int
    vector_sum: Float64[ndarray, " width"]
    target_sum: Float64[ndarray, " dim"]
    gram: Float64[ndarray, "width width"]
    cross: Float64[ndarray, "dim width"]

    @classmethod
    def of(
        cls, vectors: Float[ndarray, "n width"], targets: Float[ndarray, "n_rows dim"], rows: Int[ndarray, " n"]
    ) -> _Moments:
        width, dim = vectors.shape[1], targets.shape[1]
        total = cls(0, np.zeros(width), np.zeros(dim), np.zeros((width, width)), np.zeros((dim, width)))
        for block, numbers in _blocks(vectors, rows):
            x, y = block.astype(np.float64), targets[numbers].astype(np.float64)
            total += cls(len(x), x.sum(axis=0), y.sum(axis=0), x.T @ x, y.T @ x)
        return total

    def __add__(self, other: _Moments) -> _Moments:
        return _Moments(
            self.n + other.n,
            self.vector_sum + other.vector_sum,
            self.target_sum + other.target_sum,
            self.gram + other.gram,
            self.cross + other.cross,
        )

    def head(self, trial: HeadTrial) -> LinearHead:
        """Return the head of a trial's kind, fitted to these pairs."""
        part = self.leading(trial.width)
        return part.orthogonal() if trial.ridge is None else part.ridge(trial.ridge)

    def leading(self, width: int) -> _Moments:
        """Return the sums of the vectors' leading numbers."""
        gram, cross = self.gram[:width, :width], self.cross[:, :width]
        return _Moments(self.n, self.vector_sum[:width], self.target_sum, gram, cross)

    def ridge(self, share: float) -> LinearHead:
        """Return the regression whose penalty is a share of the vectors' mean variance; the bias bears none."""
        covariance, cross = self._centred()
        penalty = share * np.trace(covariance) / len(covariance)
        return self._through_means(np.linalg.solve(covariance + penalty * np.eye(len(covariance)), cross.T).T)

    def orthogonal(self) -> LinearHead:
        """Return the rotation, scale and shift nearest to the targets (Schönemann & Carroll 1970)."""
        covariance, cross = self._centred()
        left, stretches, right = np.linalg.svd(cross)
        return self._through_means(stretches.sum() / np.trace(covariance) * (left @ right))

    def _centred(self) -> tuple[Float64[ndarray, "width width"], Float64[ndarray, "dim width"]]:
        mean = self.vector_sum / self.n
        return (
            self.gram / self.n - np.outer(mean, mean),
            self.cross / self.n - np.outer(self.target_sum / self.n, mean),
        )

    def _through_means(self, weight: Float64[ndarray, "dim width"]) -> LinearHead:
        bias = self.target_sum / self.n - weight @ (self.vector_sum / self.n)
        return LinearHead(weight.astype(np.float32), bias.astype(np.float32))


class _Judge:
    """Measure heads on sentences that were held out."""

    def __init__(
        self, vectors: Float[ndarray, "n width"], targets: Float[ndarray, "n_rows dim"], rows: Int[ndarray, " n"]
    ) -> None:
        distinct, self.place = np.unique(rows, return_inverse=True)
        self.vectors, self.wanted = vectors, _directions(targets[distinct])

    def __call__(self, head: LinearHead, kind: HeadKind, ridge: float | None) -> HeadTrial:
        found, cosines, width = 0, 0.0, head.weight.shape[1]
        for block, place in _blocks(self.vectors, self.place):
            scores = _directions(head.apply(block[:, :width])) @ self.wanted.T
            own = np.take_along_axis(scores, place[:, None], axis=1)[:, 0]
            found += int((scores.max(axis=1) <= own).sum())
            cosines += float(own.sum())
        return HeadTrial(kind, width, ridge, found / len(self.vectors), cosines / len(self.vectors))


def _worth(trial: HeadTrial) -> tuple[float, float]:
    return trial.accuracy, trial.cosine


def _held_out(rows: Int[ndarray, " n"], seed: int) -> Bool[ndarray, " n"]:
    """Choose the sentences of a tenth of the rows; of none where that would be too few to choose by."""
    distinct = np.unique(rows)
    least, most = _HELD_OUT_ROWS
    n = min(most, int(len(distinct) * _HELD_OUT_SHARE))
    return np.isin(rows, np.random.default_rng(seed).permutation(distinct)[: n if n >= least else 0])


def _require_fit(
    vectors: Float[ndarray, "n width"], targets: Float[ndarray, "n_rows dim"], rows: Int[ndarray, " n"]
) -> None:
    if len(rows) < 2:
        raise DataError(
            f"a head cannot be fitted to {len(rows)} sentences; expected some hundreds at least.",
            next_step="Give more pairs, or English sentences.",
        )
    for name, values in (("vectors", vectors), ("targets", targets)):
        if not np.isfinite(values).all():
            raise DataError(f"the {name} are not all finite.", next_step="Choose another encoder, or run it in fp32.")
    if np.ptp(vectors, axis=0).max() == 0:
        raise DataError("the encoder gives every sentence the same vector.", next_step="Choose another encoder.")


def _blocks(
    vectors: Float[ndarray, "n width"], numbers: Int[ndarray, " n"]
) -> Iterator[tuple[Float[ndarray, "_ width"], Int[ndarray, " _"]]]:
    for start in range(0, len(numbers), _ROWS_AT_A_TIME):
        yield vectors[start : start + _ROWS_AT_A_TIME], numbers[start : start + _ROWS_AT_A_TIME]


def _directions(vectors: Float[ndarray, "n dim"]) -> Float32[ndarray, "n dim"]:
    lengths = np.linalg.norm(vectors.astype(np.float32), axis=1, keepdims=True)
    directions: Float32[ndarray, "n dim"] = vectors.astype(np.float32) / np.maximum(lengths, np.float32(1e-12))
    return directions
