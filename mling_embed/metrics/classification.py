"""Classification: what a linear probe of vectors knows of labels, and how its answers are scored."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from numpy import ndarray

from mling_embed.errors import UsageError
from mling_embed.neighbors.vectors import unit_rows

INVERSE_REGULARIZATION = 1.0  # scikit-learn's default, and so MTEB's
_MOST_ITERATIONS = 1000


def linear_probe(
    train: Float[ndarray, "n_train dim"], labels: Sequence[str], test: Float[ndarray, "n_test dim"]
) -> list[str]:
    """Fit a logistic regression to vectors of length one and their labels, and return its answers for others.

    Multinomial, L2-regularized with C = 1, found by L-BFGS: no random numbers. Vectors of any norm are scaled first.

    Args:
        train: Vectors. Shape: (n_train, dim).
        labels: Of each. Length: n_train.
        test: Vectors. Shape: (n_test, dim).

    Raises:
        UsageError: There are other numbers of vectors and labels, or fewer than two different labels.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    if len(train) != len(labels) or len(set(labels)) < 2:
        raise UsageError(
            f"{len(train)} vectors with {len(labels)} labels, {len(set(labels))} different: "
            "expected as many, of two at least."
        )
    with threadpool_limits(1):  # its products are too small to be shared
        probe = LogisticRegression(C=INVERSE_REGULARIZATION, max_iter=_MOST_ITERATIONS)
        answers: list[str] = probe.fit(unit_rows(train), list(labels)).predict(unit_rows(test)).tolist()
    return answers


def macro_f1(answers: Sequence[str], labels: Sequence[str]) -> float:
    """Return the mean over the labels of their F1: every label weighs alike, however rare.

    The labels are those among the answers and the right ones; one that is never answered has F1 0.

    Raises:
        UsageError: There are other numbers of answers and labels, or none.

    >>> macro_f1(["a", "a", "b"], ["a", "b", "b"])
    0.6666666666666666
    """
    if len(answers) != len(labels) or not labels:
        raise UsageError(f"{len(answers)} answers to {len(labels)} questions: expected as many, at least one.")
    scores = []
    for name in {*answers, *labels}:
        right = sum(one == other == name for one, other in zip(answers, labels, strict=True))
        scores.append(2 * right / (answers.count(name) + labels.count(name)))
    return sum(scores) / len(scores)
