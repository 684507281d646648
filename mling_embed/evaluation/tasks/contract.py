"""The task contract: a task gives its texts and scores vectors; a result is one record."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from operator import attrgetter
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

from mling_embed.corpora.manifests import MULTILINGUAL
from mling_embed.errors import DataError, UsageError
from mling_embed.evaluation.charts import Chart
from mling_embed.evaluation.exhibits import Mistake
from mling_embed.evaluation.vectors import Texts, Vectors
from mling_embed.languages import ENGLISH, UNKNOWN_LANGUAGE
from mling_embed.metrics.confidence import Interval

Each = TypeVar("Each", bound=Hashable)


@dataclass(frozen=True, slots=True)
class TaskLabel:
    """Name a task.

    Attributes:
        suite: What it belongs to, such as ``tatoeba-v1``: means and worst are taken over a suite.
        name: Its name within the suite, such as ``de-en``.
        languages: Of two sides their languages: source and target, first and second sentence, queries and passages.
            A side of many languages is ``mul``.
        split: The split that it is made from.
        revision: The revision of the data, empty if unknown.
    """

    suite: str
    name: str
    languages: tuple[str, ...]
    split: str = "test"
    revision: str = ""

    def __str__(self) -> str:
        return f"{self.suite} {self.name}"

    @property
    def is_english(self) -> bool:
        """Whether the task is English on all sides: it has its row in a table, and is in neither mean nor worst."""
        return set(self.languages) == {ENGLISH}

    @property
    def subject(self) -> str:
        """The one language that the task is about, or its name where that says more."""
        others = [each for each in self.languages if each not in (ENGLISH, MULTILINGUAL)] or [ENGLISH]
        usual = self.name == "-".join(self.languages) and UNKNOWN_LANGUAGE not in others
        return others[0] if usual and len(self.languages) == 2 else self.name


@dataclass(frozen=True, slots=True)
class Column:
    """Hold a column of a task type's table.

    Attributes:
        header: Its name; ``{source}`` and ``{target}`` stand for the two sides, ``xx`` and ``en`` where the target of
            every task is English.
        figure: The figure that it shows.
        lower_is_better: Whether the worst is the highest.
    """

    header: str
    figure: str
    lower_is_better: bool = False


@dataclass(frozen=True, slots=True)
class TaskType:
    """Say what reports must know of the tasks of one type.

    Attributes:
        kind: Its name, such as ``bitext``.
        columns: What its table shows. The first is the main figure, which stands for a task; its interval follows it.
        chart: Draws the results of a suite.
        settings: What besides data and model the figures depend on, for their signature.
        teacher_figure: The figure under which the teacher's own main figure on the suite's English task stands beside
            each of its tasks; empty for none.
        kept_figure: The figure whose share of `teacher_figure` is shown as ``kept``: what is left of the teacher in its
            own index; empty for none.
        asymmetric_figure: The figure of a student's queries in an index of the teacher's vectors; empty for none.
        mteb_main: The figure that MTEB calls the main score of such a task; the main figure by default.
        mteb_names: Figure -> MTEB's name of it, where it has another.
        few: An `n` below this is marked, for the main figure can be far off.
        table: The title of the table that a task has its row in; by default there is one for each suite.
    """

    kind: str
    columns: tuple[Column, ...]
    chart: Callable[[str, Sequence[TaskResult]], Chart]
    settings: str = ""
    teacher_figure: str = ""
    kept_figure: str = ""
    asymmetric_figure: str = ""
    mteb_main: str = ""
    mteb_names: Mapping[str, str] = field(default_factory=dict)
    few: int = 0
    table: Callable[[TaskLabel], str] = attrgetter("suite")

    @property
    def main(self) -> str:
        """The figure that stands for a task."""
        return self.columns[0].figure


@dataclass(frozen=True, slots=True)
class Scores:
    """Hold what a task found of an encoder.

    Attributes:
        n: Pairs, queries, or whatever is counted.
        figures: Name -> value, as fractions where they are shares; `None` for what cannot be had here.
        interval: The 95% interval of the main figure.
        outcomes: Figure -> its value for each pair or query by itself, whose mean it is: what two encoders are
            compared by. Only of figures that are such means.
        correlated: Where the main figure is Spearman's correlation: the values of both sides.
        similarities: Cosines of pairs that belong together, and of as many that do not.
        mistakes: Some of what was found wrongly, the worst.
    """

    n: int
    figures: Mapping[str, float | None]
    interval: Interval | None = None
    outcomes: Mapping[str, Sequence[float]] = field(default_factory=dict)
    correlated: tuple[Sequence[float], Sequence[float]] | None = None
    similarities: tuple[Sequence[float], Sequence[float]] | None = None
    mistakes: Sequence[Mistake] = ()


@dataclass(frozen=True, slots=True)
class TaskResult:
    """Record the result of one task.

    Attributes:
        label: The task.
        type: Its type.
        scores: What it found.
        signature: One line of all that the figures depend on.
        seconds: Time of encoding (its share) and scoring.
    """

    label: TaskLabel
    type: TaskType
    scores: Scores
    signature: str
    seconds: float

    @property
    def n(self) -> int:
        """Pairs, queries, or whatever is counted."""
        return self.scores.n

    @property
    def figures(self) -> Mapping[str, float | None]:
        """Every figure by its name."""
        return self.scores.figures

    @property
    def score(self) -> float:
        """The main figure.

        Raises:
            DataError: The task gave none.
        """
        value = self.scores.figures.get(self.type.main)
        if value is None:
            raise DataError(f"no {self.type.main}, the main figure of {self.type.kind} tasks.", where=str(self.label))
        return value

    @property
    def interval(self) -> Interval | None:
        """The 95% interval of the main figure."""
        return self.scores.interval

    @property
    def is_few(self) -> bool:
        """Whether the main figure can be far off, for there is too little to measure on."""
        return self.n < self.type.few


@runtime_checkable
class Task(Protocol):
    """Give texts, and score their vectors. A dataclass whose other fields are its data.

    A new type of task is a module in this folder with one such class, and its `TaskType`.
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    type: ClassVar[TaskType]

    @property
    def label(self) -> TaskLabel:
        """The task's name."""

    def capped(self, limit: int) -> Task:
        """Return the task with at most `limit` texts of each kind and language, those of `spread`.

        What a kept text needs, such as the passages that answer a query, stays.
        """

    def texts(self) -> Iterable[Texts]:
        """Yield all texts that `score` asks for."""

    def teacher_texts(self) -> Iterable[Texts]:
        """Yield the texts that a teacher encodes: the English ones, as they would stand in an index of its vectors.

        Of a task that is all English, whose type has a `teacher_figure`, that is all texts.
        """

    def score(self, vectors: Vectors, teacher: Vectors | None = None) -> Scores:
        """Score an encoder.

        Args:
            vectors: Its vectors of `texts`.
            teacher: The teacher's vectors of `teacher_texts`, in the same space; `None` if there is no teacher, no such
                text, or another space.
        """


def spread(n: int, limit: int) -> list[int]:
    """Return at most `limit` of n rows, evenly spread: of files whose rows translate each other the same rows.

    >>> spread(3, 5), spread(10, 4)
    ([0, 1, 2], [0, 2, 5, 7])

    Raises:
        UsageError: `limit` is not positive.
    """
    if limit < 1:
        raise UsageError(f"a limit of {limit} texts: expected at least 1.")
    return list(range(n)) if n <= limit else [place * n // limit for place in range(limit)]


def capped_pool(pool: Sequence[Each], wanted: Collection[Each], limit: int) -> list[Each]:
    """Return at most `limit` of what is searched, in its order: all that is wanted, and some of the rest."""
    rest = [each for each in pool if each not in wanted]
    room = limit - (len(pool) - len(rest))
    kept = {rest[row] for row in spread(len(rest), room)} if room > 0 else set()
    return [each for each in pool if each in wanted or each in kept]


def foreign(results: Sequence[TaskResult]) -> Sequence[TaskResult]:
    """Leave out English itself, if there is more: it would weigh on the mean of the languages."""
    return [result for result in results if not result.label.is_english] or results


def data_sha256(task: Task) -> str:
    """Return the SHA-256 of a task's data: its texts and what they are judged by."""
    data = {each.name: getattr(task, each.name) for each in fields(task) if each.name != "label"}
    return hashlib.sha256(json.dumps(data, default=_plain).encode()).hexdigest()


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else list(value)
