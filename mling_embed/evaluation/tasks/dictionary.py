"""Dictionaries: is a word's nearest word of the other language its translation?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from mling_embed.errors import DataError
from mling_embed.evaluation.charts import Chart
from mling_embed.evaluation.tasks.contract import Column, Scores, TaskLabel, TaskResult, TaskType, capped_pool, spread
from mling_embed.evaluation.vectors import Texts, Vectors
from mling_embed.languages import ENGLISH
from mling_embed.metrics.confidence import wilson_interval
from mling_embed.metrics.dictionary import CSLS_K, first_right, nearest_words

DEPTH = 5


def _chart(suite: str, results: Sequence[TaskResult]) -> Chart:
    bars: dict[str, list[float | None]] = {}
    for result in results:
        place = 0 if result.label.languages[0] == ENGLISH else 1
        bars.setdefault(result.label.subject, [None, None])[place] = result.score
    return Chart(
        f"Dictionary: {suite}",
        "Share of words whose nearest word of the other language, by CSLS, is a translation.",
        ("from English", "to English"),
        bars,
        emphasis="from English",
    )


def _table(label: TaskLabel) -> str:
    return f"{label.suite} {'from' if label.languages[0] == ENGLISH else 'to'} English"


DICTIONARY = TaskType(
    kind="dictionary",
    columns=(
        Column("P@1 CSLS", "csls_precision_at_1"),
        Column("P@5 CSLS", "csls_precision_at_5"),
        Column("P@1 NN", "precision_at_1"),
        Column("P@5 NN", "precision_at_5"),
    ),
    chart=_chart,
    settings=f"csls:k{CSLS_K} similarity:cosine",
    table=_table,
)


@dataclass(frozen=True, slots=True)
class DictionaryTask:
    """Hold words, the translations of each, and the words of the other language that are searched.

    Its figures: the share of words with a translation among the first one and the first five words found, by
    cross-domain similarity local scaling (CSLS) and by cosine.

    Raises:
        DataError: There is no word, a word occurs twice, or one has no translation among those that are searched.
    """

    label: TaskLabel
    words: Sequence[str]
    translations: Sequence[Sequence[str]]
    pool: Sequence[str]

    type: ClassVar[TaskType] = DICTIONARY

    def __post_init__(self) -> None:
        where, searched = str(self.label), set(self.pool)
        if len(self.words) != len(self.translations) or not self.words:
            raise DataError(f"{len(self.words)} words with {len(self.translations)} entries.", where=where)
        if len(set(self.words)) != len(self.words) or len(searched) != len(self.pool):
            raise DataError("a word occurs twice.", where=where)
        for word, entry in zip(self.words, self.translations, strict=True):
            if not entry or any(translation not in searched for translation in entry):
                raise DataError(f"'{word}' has no translation, or one that is not searched.", where=where)

    def capped(self, limit: int) -> DictionaryTask:
        """Return the task with at most `limit` words to translate, searched among as many."""
        rows = spread(len(self.words), limit)
        kept = [self.translations[row] for row in rows]
        own = {translation for entry in kept for translation in entry}
        return replace(
            self,
            words=[self.words[row] for row in rows],
            translations=kept,
            pool=capped_pool(self.pool, own, limit),
        )

    def texts(self) -> Iterator[Texts]:
        """Yield both sides."""
        yield None, self.words
        yield None, self.pool

    def teacher_texts(self) -> Iterator[Texts]:
        """Yield nothing: no figure of a teacher stands beside."""
        yield from ()

    def score(self, vectors: Vectors, teacher: Vectors | None = None) -> Scores:
        """Search the words' translations."""
        words, pool = vectors.of(self.words), vectors.of(self.pool)
        places = {word: place for place, word in enumerate(self.pool)}
        right = [{places[translation] for translation in entry} for entry in self.translations]
        figures: dict[str, float | None] = {}
        outcomes: dict[str, Sequence[float]] = {}
        for prefix, k in (("csls_", CSLS_K), ("", None)):
            ranks = first_right(nearest_words(words, pool, top=DEPTH, csls_k=k), right)
            for depth in (1, DEPTH):
                hits = (ranks > 0) & (ranks <= depth)
                figures[f"{prefix}precision_at_{depth}"] = float(hits.mean())
                outcomes[f"{prefix}precision_at_{depth}"] = hits.astype(float).tolist()
        n = len(self.words)
        found = int(sum(outcomes["csls_precision_at_1"]))
        return Scores(n=n, figures=figures, interval=wilson_interval(found, n), outcomes=outcomes)
