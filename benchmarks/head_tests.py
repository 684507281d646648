"""Tests of heads on one encoder: every sentence is encoded once, and every head is a product with what is kept.

Tatoeba (close to the pool: everyday sentences of the same project), languages of which nobody has a pair, news that
the pool does not hold, and the STS benchmark between English and another language.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from measure import CHOSEN

from mling_embed.evaluation.suites.stsb import tasks as stsb_tasks
from mling_embed.evaluation.suites.tatoeba import tasks as tatoeba_tasks
from mling_embed.languages import ENGLISH
from mling_embed.metrics.bitext import bitext_scores
from mling_embed.metrics.sts import pair_cosines, spearman
from mling_embed.training.targets import TargetStore

Map = Callable[[np.ndarray], np.ndarray]
UNSEEN = ("sw", "th", "ka")  # of Tatoeba: languages of which the corpus holds no pair
GRADED = ("de", "ru", "zh")
NEWS = ("de", "ru", "zh", "ja")


def add_test_options(parser: argparse.ArgumentParser) -> None:
    """Let a script be told which tests to make."""
    parser.add_argument("--tests", action="store_true", help="measure on the test sets too")
    parser.add_argument("--limit", type=int, default=1000, help="sentences of a test of translations")
    parser.add_argument("--news", type=Path, help="folder of news in BUCC's form, as a further test")


@dataclass(frozen=True)
class Sentences:
    """Texts with the student's vectors before a head, and of English ones the teacher's."""

    texts: Sequence[str]
    student: np.ndarray
    teacher: np.ndarray | None = None

    @property
    def targets(self) -> np.ndarray:
        """The teacher's vectors of English sentences."""
        assert self.teacher is not None
        return self.teacher


@dataclass(frozen=True)
class Bitext:
    """Sentences of one language and their English, row by row."""

    suite: str
    language: str
    other: Sentences
    english: Sentences

    def measure(self, head: Map) -> tuple[float, float]:
        """Return the share whose English is found in the teacher's index, and in the student's own."""
        found = head(self.other.student)
        indices = self.english.targets, head(self.english.student)
        texts = {"source_texts": self.other.texts, "target_texts": self.english.texts}
        teacher, own = (bitext_scores(found, index, **texts).forward.safe_accuracy for index in indices)
        return teacher, own


@dataclass(frozen=True)
class Graded:
    """Pairs of an English sentence and one in another language, and how alike people say that they are."""

    language: str
    english: Sentences
    other: Sentences
    scores: np.ndarray

    def measure(self, head: Map) -> tuple[float, float]:
        """Return Spearman's correlation with the teacher's vectors on the English side, and with the student's own."""
        found = head(self.other.student)
        english = self.english.targets, head(self.english.student)
        teacher, own = (spearman(pair_cosines(side, found), self.scores) for side in english)
        return teacher, own


@dataclass(frozen=True)
class Tests:
    """All test sets, encoded."""

    bitexts: Sequence[Bitext]
    graded: Sequence[Graded]

    def measure(self, head: Map) -> dict[str, float]:
        """Return the mean of each suite in both indices, and of bitext the worst language's in the teacher's."""
        found: dict[str, float] = {}
        for suite in dict.fromkeys(bitext.suite for bitext in self.bitexts):
            shares = np.array([bitext.measure(head) for bitext in self.bitexts if bitext.suite == suite])
            teacher, own = shares.mean(axis=0)
            found |= {f"{suite}_teacher": teacher, f"{suite}_own": own, f"{suite}_worst": shares[:, 0].min()}
        if self.graded:
            teacher, own = np.mean([graded.measure(head) for graded in self.graded], axis=0)
            found |= {"sts_teacher": teacher, "sts_own": own}
        return {name: float(value) for name, value in found.items()}


@dataclass(frozen=True)
class Encoders:
    """The student before a head, and the teacher: each text goes through each once, ever."""

    student: TargetStore
    teacher: TargetStore

    def tests(self, options: argparse.Namespace) -> Tests:
        """Encode the test sets that are asked for."""
        if not options.tests:
            return Tests([], [])
        bitexts = [
            *self.tatoeba("tatoeba", CHOSEN, options.limit),
            *self.tatoeba("unseen", UNSEEN, options.limit),
            *(self.news(options.news, NEWS, options.limit) if options.news else []),
        ]
        return Tests(bitexts, self.sts(GRADED))

    def english(self, texts: Sequence[str]) -> Sentences:
        """Encode English sentences with both."""
        return Sentences(texts, self.student.compute(texts).matrix(), self.teacher.compute(texts).matrix())

    def other(self, texts: Sequence[str]) -> Sentences:
        """Encode sentences of another language with the student."""
        return Sentences(texts, self.student.compute(texts).matrix())

    def tatoeba(self, suite: str, languages: Sequence[str], limit: int) -> list[Bitext]:
        """Return the first sentences of Tatoeba's test in some languages."""
        return [
            Bitext(
                suite,
                task.label.languages[0],
                self.other(task.source_texts[:limit]),
                self.english(task.target_texts[:limit]),
            )
            for task in tatoeba_tasks(languages)
        ]

    def news(self, folder: Path, languages: Sequence[str], limit: int) -> list[Bitext]:
        """Return the first gold pairs of a folder of news in BUCC's form."""
        found = []
        for language in languages:
            stem = folder / f"{language}-{ENGLISH}"
            sides = [_numbered(stem.with_suffix(f".{side}")) for side in (language, ENGLISH)]
            lines = stem.with_suffix(".gold").read_text(encoding="utf-8").splitlines()[:limit]
            pairs = [line.split("\t") for line in lines]
            other, english = ([texts[pair[place]] for pair in pairs] for place, texts in enumerate(sides))
            found.append(Bitext("news", language, self.other(other), self.english(english)))
        return found

    def sts(self, languages: Sequence[str]) -> list[Graded]:
        """Return the STS benchmark's test between English and some languages."""
        return [
            Graded(
                task.label.languages[1],
                self.english(task.sentences1),
                self.other(task.sentences2),
                np.asarray(task.scores),
            )
            for task in stsb_tasks([ENGLISH, *languages])
            if task.label.languages[0] == ENGLISH != task.label.languages[1]
        ]


def _numbered(path: Path) -> dict[str, str]:
    """Return the texts of a file by their numbers."""
    texts = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        number, _, text = line.partition("\t")
        texts[number] = text
    return texts
