"""What an encoder is measured on: bitext, sentence similarity, and retrieval tasks, checked when they are made."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mling_embed.errors import DataError
from mling_embed.languages import ENGLISH


@dataclass(frozen=True, slots=True)
class TaskLabel:
    """Name a task.

    Attributes:
        suite: What it belongs to, such as ``tatoeba-v1``: means and worst are taken over a suite.
        name: Its name within the suite, such as ``de-en``.
        languages: The language of each side: source and target, first and second sentence, queries and passages.
        split: The split that it is made from.
        revision: The revision of the data, empty if unknown.
    """

    suite: str
    name: str
    languages: tuple[str, str]
    split: str = "test"
    revision: str = ""

    def __str__(self) -> str:
        return f"{self.suite} {self.name}"


@dataclass(frozen=True, slots=True)
class BitextTask:
    """Hold sentences and their translations: row i of the sources translates row i of the targets.

    Raises:
        DataError: The sides differ in length or are empty.
    """

    label: TaskLabel
    source_texts: Sequence[str]
    target_texts: Sequence[str]

    def __post_init__(self) -> None:
        if len(self.source_texts) != len(self.target_texts) or not self.source_texts:
            raise DataError(
                f"{len(self.source_texts)} source sentences and {len(self.target_texts)} target sentences; "
                "expected as many, at least one.",
                where=str(self.label),
            )

    def texts(self) -> Iterator[str]:
        """Yield every text of the task."""
        yield from self.source_texts
        yield from self.target_texts

    def english_texts(self) -> Sequence[str]:
        """Return the texts that a teacher encodes: the targets, if they are English."""
        return self.target_texts if self.label.languages[1] == ENGLISH else ()


@dataclass(frozen=True, slots=True)
class StsTask:
    """Hold sentence pairs and the similarity that people gave them.

    Raises:
        DataError: The columns differ in length, hold fewer than two pairs, or a score is not finite, or all are equal.
    """

    label: TaskLabel
    sentences1: Sequence[str]
    sentences2: Sequence[str]
    scores: Sequence[float]

    def __post_init__(self) -> None:
        where = str(self.label)
        sizes = (len(self.sentences1), len(self.sentences2), len(self.scores))
        if len(set(sizes)) != 1:
            raise DataError(f"columns of {sizes[0]}, {sizes[1]} and {sizes[2]} rows; expected as many.", where=where)
        if not all(math.isfinite(score) for score in self.scores):
            raise DataError("a score is not a finite number.", where=where)
        if len(set(self.scores)) < 2:
            raise DataError(f"{sizes[0]} pairs without two different scores cannot be ranked.", where=where)

    def texts(self) -> Iterator[str]:
        """Yield every text of the task."""
        yield from self.sentences1
        yield from self.sentences2

    def english_texts(self) -> Sequence[str]:
        """Return the texts that a teacher encodes: all, if both sides are English."""
        return [*self.texts()] if self.label.languages == (ENGLISH, ENGLISH) else ()


@dataclass(frozen=True, slots=True)
class RetrievalTask:
    """Hold passages, queries, and the grade of each query's relevant passages, all by identifier.

    Raises:
        DataError: Nothing to search, or a query's relevant passage is not there.
    """

    label: TaskLabel
    passages: Mapping[str, str]
    queries: Mapping[str, str]
    qrels: Mapping[str, Mapping[str, float]]

    def __post_init__(self) -> None:
        where = str(self.label)
        if not self.passages or not self.queries or not self.qrels:
            raise DataError(
                f"{len(self.passages)} passages, {len(self.queries)} queries, {len(self.qrels)} with judgments; "
                "expected at least one of each.",
                where=where,
            )
        for query, grades in self.qrels.items():
            if query not in self.queries:
                raise DataError(f"judgments of query '{query}', which is not there.", where=where)
            if missing := [passage for passage in grades if passage not in self.passages]:
                raise DataError(f"query '{query}' wants passage '{missing[0]}', which is not there.", where=where)

    def texts(self) -> Iterator[str]:
        """Yield every text of the task."""
        yield from self.passages.values()
        yield from self.queries.values()

    def english_texts(self) -> Sequence[str]:
        """Return the texts that a teacher encodes: the passages, if they are English, and English queries."""
        query_language, passage_language = self.label.languages
        if passage_language != ENGLISH:
            return ()
        return [*self.texts()] if query_language == ENGLISH else [*self.passages.values()]


Task = BitextTask | StsTask | RetrievalTask
