"""Classification: does what is learned of English labels hold in another language?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from mling_embed.errors import DataError
from mling_embed.evaluation.charts import Chart
from mling_embed.evaluation.tasks.contract import Column, Scores, TaskLabel, TaskResult, TaskType, spread
from mling_embed.evaluation.vectors import Texts, Vectors
from mling_embed.languages import ENGLISH
from mling_embed.metrics.classification import INVERSE_REGULARIZATION, linear_probe, macro_f1
from mling_embed.metrics.confidence import wilson_interval


def _chart(suite: str, results: Sequence[TaskResult]) -> Chart:
    return Chart(
        f"Classification: {suite}",
        "Accuracy of a logistic regression trained on English, tested in each language, beside one trained in the "
        "language itself and the share of the most frequent label.",
        ("trained on English", "trained in the language", "most frequent label"),
        {
            result.label.subject: (result.score, result.figures["own_accuracy"], result.figures["majority"])
            for result in results
        },
        emphasis="trained on English",
        reference=results[0].figures.get("teacher_english_accuracy"),
        reference_label="teacher, English",
    )


CLASSIFICATION = TaskType(
    kind="classification",
    columns=(
        Column("accuracy", "accuracy"),
        Column("macro F1", "macro_f1"),
        Column("own training", "own_accuracy"),
        Column("gap", "gap", lower_is_better=True),
        Column("majority", "majority"),
        Column("teacher en-en", "teacher_english_accuracy"),
    ),
    chart=_chart,
    settings=f"logistic-regression:C{INVERSE_REGULARIZATION:g},lbfgs",
    teacher_figure="teacher_english_accuracy",
)


@dataclass(frozen=True, slots=True)
class ClassificationTask:
    """Hold labelled texts to learn from and to test on; also texts of the tested language to learn from, if any.

    Its figures: accuracy and macro F1 of a logistic regression on the vectors, the accuracy of one that learned from
    the tested language itself, the gap between both, and the share of the most frequent label of the test.

    Raises:
        DataError: Texts and labels differ in number, the test is empty, or there are fewer than two labels to learn.
    """

    label: TaskLabel
    train_texts: Sequence[str]
    train_labels: Sequence[str]
    test_texts: Sequence[str]
    test_labels: Sequence[str]
    own_texts: Sequence[str] = ()
    own_labels: Sequence[str] = ()

    type: ClassVar[TaskType] = CLASSIFICATION

    def __post_init__(self) -> None:
        where = str(self.label)
        parts = {
            "train": (self.train_texts, self.train_labels),
            "test": (self.test_texts, self.test_labels),
            "own": (self.own_texts, self.own_labels),
        }
        for name, (texts, labels) in parts.items():
            if len(texts) != len(labels):
                raise DataError(f"{len(texts)} {name} texts with {len(labels)} labels; expected as many.", where=where)
            if name != "test" and (texts or name == "train") and len(set(labels)) < 2:
                raise DataError(f"{len(set(labels))} different labels to learn ({name}); expected two.", where=where)
        if not self.test_texts:
            raise DataError("no texts to test on.", where=where)

    def capped(self, limit: int) -> ClassificationTask:
        """Return the task with at most `limit` texts in each of its parts."""
        train, test, own = (spread(len(part), limit) for part in (self.train_texts, self.test_texts, self.own_texts))
        return replace(
            self,
            train_texts=[self.train_texts[row] for row in train],
            train_labels=[self.train_labels[row] for row in train],
            test_texts=[self.test_texts[row] for row in test],
            test_labels=[self.test_labels[row] for row in test],
            own_texts=[self.own_texts[row] for row in own],
            own_labels=[self.own_labels[row] for row in own],
        )

    def texts(self) -> Iterator[Texts]:
        """Yield all texts."""
        yield None, self.train_texts
        yield None, self.test_texts
        yield None, self.own_texts

    def teacher_texts(self) -> Iterator[Texts]:
        """Yield all texts, if they are English."""
        if self.label.languages == (ENGLISH, ENGLISH):
            yield from self.texts()

    def score(self, vectors: Vectors, teacher: Vectors | None = None) -> Scores:
        """Learn from the training texts, and answer for the test."""
        test = vectors.of(self.test_texts)
        answers = linear_probe(vectors.of(self.train_texts), self.train_labels, test)
        right = [answer == label for answer, label in zip(answers, self.test_labels, strict=True)]
        n, accuracy = len(right), sum(right) / len(right)
        own = None
        if self.own_texts:
            others = linear_probe(vectors.of(self.own_texts), self.own_labels, test)
            own = sum(answer == label for answer, label in zip(others, self.test_labels, strict=True)) / n
        return Scores(
            n=n,
            figures={
                "accuracy": accuracy,
                "macro_f1": macro_f1(answers, self.test_labels),
                "own_accuracy": own,
                "gap": None if own is None else own - accuracy,
                "majority": Counter(self.test_labels).most_common(1)[0][1] / n,
            },
            interval=wilson_interval(sum(right), n),
            outcomes={"accuracy": [float(each) for each in right]},
        )
