"""Retrieval: do queries find the passages that answer them?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from jaxtyping import Float32
from numpy import ndarray

from mling_embed.encoders.contract import PromptRole
from mling_embed.errors import DataError
from mling_embed.evaluation.charts import Chart
from mling_embed.evaluation.tasks.contract import (
    Column,
    Scores,
    TaskLabel,
    TaskResult,
    TaskType,
    capped_pool,
    foreign,
    spread,
)
from mling_embed.evaluation.vectors import Texts, Vectors
from mling_embed.languages import ENGLISH
from mling_embed.metrics.confidence import mean_interval
from mling_embed.metrics.retrieval import Qrels, Run, retrieval_scores
from mling_embed.neighbors.topk import top_k
from mling_embed.neighbors.vectors import unit_rows

DEPTH = 100
_FIGURES = {"ndcg_at_10": "nDCG@10", "mrr": "RR", "recall_at_1": "R@1", "recall_at_10": "R@10"}


def _chart(suite: str, results: Sequence[TaskResult]) -> Chart:
    return Chart(
        f"Search: {suite}",
        "nDCG@10 of questions in each language over English passages.",
        ("nDCG@10", "R@1"),
        {result.label.subject: (result.score, result.figures["recall_at_1"]) for result in foreign(results)},
        emphasis="nDCG@10",
        reference=results[0].figures.get("teacher_english_ndcg_at_10"),
        reference_label="teacher, English questions",
    )


RETRIEVAL = TaskType(
    kind="retrieval",
    columns=(
        Column("nDCG@10", "ndcg_at_10"),
        Column("MRR", "mrr"),
        Column("R@1", "recall_at_1"),
        Column("R@10", "recall_at_10"),
        Column("nDCG@10 teacher index", "teacher_space_ndcg_at_10"),
        Column("teacher en-en", "teacher_english_ndcg_at_10"),
        Column("kept", "kept"),
    ),
    chart=_chart,
    settings=f"similarity:cosine depth:{DEPTH} gain:linear bootstrap:1000,seed0",
    teacher_figure="teacher_english_ndcg_at_10",
    kept_figure="teacher_space_ndcg_at_10",
    asymmetric_figure="teacher_space_ndcg_at_10",
)


@dataclass(frozen=True, slots=True)
class RetrievalTask:
    """Hold passages, queries, and the grade of each query's relevant passages, all by identifier.

    Its figures: mean nDCG@10 (linear gain), reciprocal rank among the first 100, recall@1 and recall@10 over the
    queries that have a relevant passage; and, with a teacher and English passages, nDCG@10 in an index of its vectors.

    Raises:
        DataError: Nothing to search, or a query's relevant passage is not there.
    """

    label: TaskLabel
    passages: Mapping[str, str]
    queries: Mapping[str, str]
    qrels: Qrels

    type: ClassVar[TaskType] = RETRIEVAL

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

    def capped(self, limit: int) -> RetrievalTask:
        """Return the task with at most `limit` queries, and as many passages, or those that these queries want."""
        judged = [query for query in self.queries if query in self.qrels]
        queries = [judged[row] for row in spread(len(judged), limit)]
        wanted = {passage for query in queries for passage in self.qrels[query]}
        passages = capped_pool(list(self.passages), wanted, limit)
        return replace(
            self,
            passages={name: self.passages[name] for name in passages},
            queries={query: self.queries[query] for query in queries},
            qrels={query: self.qrels[query] for query in queries},
        )

    def texts(self) -> Iterator[Texts]:
        """Yield passages and queries."""
        yield PromptRole.PASSAGE, list(self.passages.values())
        yield PromptRole.QUERY, list(self.queries.values())

    def teacher_texts(self) -> Iterator[Texts]:
        """Yield the passages, if they are English, and English queries."""
        query_language, passage_language = self.label.languages
        if passage_language == ENGLISH:
            yield PromptRole.PASSAGE, list(self.passages.values())
            if query_language == ENGLISH:
                yield PromptRole.QUERY, list(self.queries.values())

    def score(self, vectors: Vectors, teacher: Vectors | None = None) -> Scores:
        """Search the queries among the passages."""
        queries = vectors.of(list(self.queries.values()), role=PromptRole.QUERY)
        passages = list(self.passages.values())
        found = retrieval_scores(
            self._run(queries, vectors.of(passages, role=PromptRole.PASSAGE)), self.qrels, list(_FIGURES.values())
        )
        figures: dict[str, float | None] = {name: found[measure].mean for name, measure in _FIGURES.items()}
        figures["teacher_space_ndcg_at_10"] = None
        if teacher is not None:
            run = self._run(queries, teacher.of(passages, role=PromptRole.PASSAGE))
            figures["teacher_space_ndcg_at_10"] = retrieval_scores(run, self.qrels, ["nDCG@10"])["nDCG@10"].mean
        return Scores(
            n=len(self.queries),
            figures=figures,
            interval=mean_interval(found["nDCG@10"].values),
            outcomes={name: found[measure].values for name, measure in _FIGURES.items()},
        )

    def _run(self, queries: Float32[ndarray, "n_queries dim"], passages: Float32[ndarray, "n_passages dim"]) -> Run:
        names = list(self.passages)
        found = top_k(unit_rows(queries), unit_rows(passages), DEPTH)
        rows = zip(self.queries, found.indices.tolist(), strict=True)
        return {query: [names[place] for place in row] for query, row in rows}
