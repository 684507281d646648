"""Retrieval from a pool of many languages: one question, its answer in every language, all in one index."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

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
    spread,
)
from mling_embed.evaluation.vectors import Texts, Vectors
from mling_embed.metrics.confidence import mean_interval
from mling_embed.metrics.language_bias import (
    average_precision,
    language_shares,
    oracle_average_precision,
    pool_ranks,
    preference_rate,
)
from mling_embed.metrics.retrieval import retrieval_scores


def _chart(suite: str, results: Sequence[TaskResult]) -> Chart:
    figures = {"mAP": "map", "nDCG@10": "ndcg_at_10", "own language in top 10": "own_language_at_10"}
    return Chart(
        f"Search in a pool of all languages: {suite}",
        "Questions of each language; the right answers are in every language. Own language: its share of the first ten "
        "hits, which is that of its passages in the pool where no language is preferred.",
        tuple(figures),
        {result.label.subject: [result.figures[figure] for figure in figures.values()] for result in results},
        emphasis="mAP",
    )


POOLED_RETRIEVAL = TaskType(
    kind="pooled-retrieval",
    columns=(
        Column("mAP", "map"),
        Column("nDCG@10", "ndcg_at_10"),
        Column("Max@R", "max_rank", lower_is_better=True),
        Column("own language @10", "own_language_at_10", lower_is_better=True),
        Column("LPR", "preference_rate", lower_is_better=True),
        Column("lang nDCG@10", "language_ndcg_at_10"),
        Column("oracle mAP", "oracle_map"),
    ),
    chart=_chart,
    settings="similarity:cosine depth:all bootstrap:1000,seed0",
)


@dataclass(frozen=True, slots=True)
class PooledRetrievalTask:
    """Hold a pool of passages in many languages, queries in one, and each query's right answers, by identifier.

    Its figures: mean average precision over the whole pool (LAReQA; Roy et al. 2020), nDCG@10, the mean rank at which
    the last right answer stands (Max@R; Hong et al. 2026), the share of the queries' own language among the first ten
    hits, and that of each language as ``top10_de``; how often the right answer in the query's language is the first of
    all (LPR) and nDCG@10 with twice the gain for it, after Jang et al. 2026 (MLAIRE; 1 / L is no preference); and the
    mAP of an oracle that merges the languages' own rankings as well as can be: the bound that language bias is under.

    Raises:
        DataError: Nothing to search, a passage without language, or a query without a right answer in the pool.
    """

    label: TaskLabel
    passages: Mapping[str, str]
    passage_languages: Mapping[str, str]
    queries: Mapping[str, str]
    right: Mapping[str, Sequence[str]]

    type: ClassVar[TaskType] = POOLED_RETRIEVAL

    def __post_init__(self) -> None:
        where = str(self.label)
        if not self.passages or not self.queries:
            raise DataError(f"{len(self.passages)} passages and {len(self.queries)} queries.", where=where)
        if missing := [passage for passage in self.passages if passage not in self.passage_languages]:
            raise DataError(f"passage '{missing[0]}' has no language.", where=where)
        for query in self.queries:
            answers = self.right.get(query, ())
            if not answers or any(answer not in self.passages for answer in answers):
                raise DataError(f"query '{query}' has no right answer, or one that is not in the pool.", where=where)

    def capped(self, limit: int) -> PooledRetrievalTask:
        """Return the task with at most `limit` queries, and as many passages a language, or those that answer them."""
        names = list(self.queries)
        queries = [names[row] for row in spread(len(names), limit)]
        wanted = {answer for query in queries for answer in self.right[query]}
        pools: dict[str, list[str]] = {}
        for name in self.passages:
            pools.setdefault(self.passage_languages[name], []).append(name)
        passages = [name for pool in pools.values() for name in capped_pool(pool, wanted, limit)]
        return replace(
            self,
            passages={name: self.passages[name] for name in passages},
            passage_languages={name: self.passage_languages[name] for name in passages},
            queries={query: self.queries[query] for query in queries},
            right={query: self.right[query] for query in queries},
        )

    def texts(self) -> Iterator[Texts]:
        """Yield passages and queries."""
        yield PromptRole.PASSAGE, list(self.passages.values())
        yield PromptRole.QUERY, list(self.queries.values())

    def teacher_texts(self) -> Iterator[Texts]:
        """Yield nothing: a teacher knows one language of the pool."""
        yield from ()

    def score(self, vectors: Vectors, teacher: Vectors | None = None) -> Scores:
        """Rank the whole pool for each query."""
        names = list(self.passages)
        places = {name: place for place, name in enumerate(names)}
        languages = [self.passage_languages[name] for name in names]
        ranks = pool_ranks(
            vectors.of(list(self.queries.values()), role=PromptRole.QUERY),
            vectors.of(list(self.passages.values()), role=PromptRole.PASSAGE),
            [[places[answer] for answer in self.right[query]] for query in self.queries],
            languages=languages,
        )
        precisions = [average_precision(right) for right in ranks.right]
        run = {query: [names[row] for row in top] for query, top in zip(self.queries, ranks.top.tolist(), strict=True)}
        qrels = {query: dict.fromkeys(self.right[query], 1) for query in self.queries}
        gains = retrieval_scores(run, qrels, ["nDCG@10"])["nDCG@10"]
        asked = self.label.languages[0]
        graded = {
            query: {answer: 1 + (self.passage_languages[answer] == asked) for answer in self.right[query]}
            for query in self.queries
        }
        spoken = retrieval_scores(run, graded, ["nDCG@10"])["nDCG@10"]
        own = [
            next((place for place, name in enumerate(self.right[query]) if self.passage_languages[name] == asked), None)
            for query in self.queries
        ]
        oracle = [oracle_average_precision(each) for each in ranks.own]
        last = [float(max(right)) for right in ranks.right]
        shares = language_shares(ranks.top, languages)
        return Scores(
            n=len(self.queries),
            figures={
                "map": math.fsum(precisions) / len(precisions),
                "ndcg_at_10": gains.mean,
                "max_rank": math.fsum(last) / len(last),
                "own_language_at_10": shares.get(asked, 0.0),
                "preference_rate": preference_rate(ranks.right, own),
                "language_ndcg_at_10": spoken.mean,
                "oracle_map": math.fsum(oracle) / len(oracle),
                **{f"top10_{language}": share for language, share in shares.items()},
            },
            interval=mean_interval(precisions),
            outcomes={"map": precisions, "ndcg_at_10": gains.values, "max_rank": last},
        )
