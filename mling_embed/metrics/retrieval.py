"""Retrieval measures over runs and qrels: a query without hits scores 0 and never vanishes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from mling_embed.errors import UsageError

Qrels = Mapping[str, Mapping[str, float]]
"""Query id -> passage id -> grade; a grade above 0 is relevant."""
Run = Mapping[str, Sequence[str]]
"""Query id -> passage ids, best first."""


def ndcg(run: Run, qrels: Qrels, *, k: int = 10) -> float:
    """Return the mean nDCG@k with linear gain and a logarithmic discount (Jarvelin and Kekalainen 2002)."""

    def score(hits: Sequence[str], grades: Mapping[str, float]) -> float:
        gained = sum(grades.get(hit, 0.0) / math.log2(rank + 1) for rank, hit in enumerate(hits[:k], 1))
        best = sorted(grades.values(), reverse=True)[:k]
        return gained / sum(grade / math.log2(rank + 1) for rank, grade in enumerate(best, 1))

    return _mean(run, qrels, score)


def mrr(run: Run, qrels: Qrels, *, k: int | None = None) -> float:
    """Return the mean reciprocal rank of the first relevant hit, among the first `k` if given."""

    def score(hits: Sequence[str], grades: Mapping[str, float]) -> float:
        return next((1 / rank for rank, hit in enumerate(hits[:k], 1) if grades.get(hit, 0) > 0), 0.0)

    return _mean(run, qrels, score)


def recall(run: Run, qrels: Qrels, *, k: int = 10) -> float:
    """Return the mean share of a query's relevant passages that is among the first `k` hits."""

    def score(hits: Sequence[str], grades: Mapping[str, float]) -> float:
        relevant = {passage for passage, grade in grades.items() if grade > 0}
        return len(relevant.intersection(hits[:k])) / len(relevant)

    return _mean(run, qrels, score)


def _mean(run: Run, qrels: Qrels, score: Callable[[Sequence[str], Mapping[str, float]], float]) -> float:
    """Average over the queries of `qrels` with a relevant passage."""
    judged = {query: grades for query, grades in qrels.items() if any(grade > 0 for grade in grades.values())}
    if not judged:
        raise UsageError("no query has a relevant passage: there is nothing to score.")
    for query in judged:
        hits = run.get(query, ())
        if len(set(hits)) != len(hits):
            raise UsageError(f"query '{query}': a passage occurs twice among its hits.")
    positive = {
        query: {passage: max(0.0, grade) for passage, grade in grades.items()} for query, grades in judged.items()
    }
    return math.fsum(score(run.get(query, ()), grades) for query, grades in positive.items()) / len(positive)
