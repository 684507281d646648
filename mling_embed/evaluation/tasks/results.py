"""What the measuring found: one record for each task, with its figures by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mling_embed.evaluation.tasks.tasks import TaskLabel
from mling_embed.metrics.bitext import BitextScores
from mling_embed.metrics.confidence import Interval


@dataclass(frozen=True, slots=True)
class BitextResult:
    """Hold the scores of a bitext task.

    Attributes:
        label: The task.
        n: Pairs.
        scores: Accuracies and F1 in both directions.
        xsim: Error rate of margin search from source to target, in percent, by text.
        teacher_space: The same scores with the English side encoded by the teacher: what an index built with the
            teacher gives. `None` without a teacher, without English, or where the dimensions differ.
        seconds: Time of encoding (its share) and scoring.
    """

    label: TaskLabel
    n: int
    scores: BitextScores
    xsim: float
    teacher_space: BitextScores | None
    seconds: float

    kind = "bitext"

    @property
    def score(self) -> float:
        """The figure that stands for the task: accuracy from source to target."""
        return self.scores.forward.accuracy

    def figures(self) -> dict[str, float | None]:
        """Return every figure by its name; accuracies and F1 as fractions."""
        forward, backward, space = self.scores.forward, self.scores.backward, self.teacher_space
        return {
            "accuracy": forward.accuracy,
            "accuracy_low": forward.interval.low,
            "accuracy_high": forward.interval.high,
            "reverse_accuracy": backward.accuracy,
            "reverse_accuracy_low": backward.interval.low,
            "reverse_accuracy_high": backward.interval.high,
            "safe_accuracy": forward.safe_accuracy,
            "reverse_safe_accuracy": backward.safe_accuracy,
            "f1": forward.f1,
            "xsim": self.xsim,
            "teacher_space_accuracy": space.forward.accuracy if space else None,
            "teacher_space_reverse_accuracy": space.backward.accuracy if space else None,
        }


@dataclass(frozen=True, slots=True)
class StsResult:
    """Hold the scores of a similarity task.

    Attributes:
        label: The task.
        n: Pairs.
        spearman: Rank correlation of cosines with people's scores, as a fraction.
        interval: Its 95% bootstrap interval.
        teacher_english: The teacher's correlation on the suite's English pairs; `None` without them or a teacher.
        seconds: Time of encoding (its share) and scoring.
    """

    label: TaskLabel
    n: int
    spearman: float
    interval: Interval
    teacher_english: float | None
    seconds: float

    kind = "sts"

    @property
    def score(self) -> float:
        """The figure that stands for the task: Spearman's correlation."""
        return self.spearman

    def figures(self) -> dict[str, float | None]:
        """Return every figure by its name, as fractions."""
        return {
            "spearman": self.spearman,
            "spearman_low": self.interval.low,
            "spearman_high": self.interval.high,
            "teacher_english_spearman": self.teacher_english,
        }


@dataclass(frozen=True, slots=True)
class RetrievalResult:
    """Hold the scores of a retrieval task.

    Attributes:
        label: The task.
        n: Queries.
        ndcg_at_10: Mean nDCG@10.
        mrr: Mean reciprocal rank.
        recall_at_1: Mean recall@1.
        recall_at_10: Mean recall@10.
        teacher_space_ndcg_at_10: nDCG@10 with the passages encoded by the teacher and the queries by the student.
        teacher_english_ndcg_at_10: nDCG@10 of the teacher alone on the suite's English queries.
        seconds: Time of encoding (its share) and scoring.
    """

    label: TaskLabel
    n: int
    ndcg_at_10: float
    mrr: float
    recall_at_1: float
    recall_at_10: float
    teacher_space_ndcg_at_10: float | None
    teacher_english_ndcg_at_10: float | None
    seconds: float

    kind = "retrieval"

    @property
    def score(self) -> float:
        """The figure that stands for the task: nDCG@10."""
        return self.ndcg_at_10

    def figures(self) -> dict[str, float | None]:
        """Return every figure by its name, as fractions."""
        return {
            "ndcg_at_10": self.ndcg_at_10,
            "mrr": self.mrr,
            "recall_at_1": self.recall_at_1,
            "recall_at_10": self.recall_at_10,
            "teacher_space_ndcg_at_10": self.teacher_space_ndcg_at_10,
            "teacher_english_ndcg_at_10": self.teacher_english_ndcg_at_10,
        }


TaskResult = BitextResult | StsResult | RetrievalResult


def result_record(result: TaskResult) -> dict[str, Any]:
    """Return a result as a flat dictionary of plain values, for a line of JSON."""
    label = result.label
    return {
        "suite": label.suite,
        "task": label.name,
        "kind": result.kind,
        "languages": list(label.languages),
        "split": label.split,
        "revision": label.revision,
        "n": result.n,
        **result.figures(),
        "seconds": round(result.seconds, 3),
    }
